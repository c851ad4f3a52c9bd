"""Exports: the paper's shape to the byte, what is left out, files whole or not at all."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from curation.enums import DraftStatus, Located, StepKind
from curation.importers.source import PathSource
from curation.models import Category, Dataset, Draft, Subcategory
from curation.records import record_of
from curation.services import steps
from curation.services.imports import import_files
from curation.services.steps import StepText
from scoring.exporters import CannotWrite, Export, ExportFile, Tally, write
from scoring.exporters.t2j import to_json
from tests.curation import dirty
from tests.factories import FIXED, make_dataset, make_draft, make_example

pytestmark = pytest.mark.django_db


def export(dataset: Dataset, folder: Path, format_: str = "t2j", only: str | None = "all") -> str:
    """Most of what is here was never run: it leaves with the override."""
    out = io.StringIO()
    call_command("export_dataset", dataset.slug, format=format_, out=folder, only=only, stdout=out)
    return out.getvalue()


def bring(path: Path, slug: str) -> Dataset:
    dataset = make_dataset(slug)
    report = import_files(dataset, [PathSource(path, path.name)], by=None)
    assert report.complete
    return dataset


def dump(records: list[Any]) -> str:
    text = json.dumps({"Pytorch_to_JAX_Examples": records}, indent=2, ensure_ascii=False)
    return f"{text}\n"


PLAIN: list[Any] = [
    dirty.CHAINED,
    {
        "Example_id": "ü/..“",
        "Input_Code": "import torch\n",
        "LLM_weak_output": "\tx = 'é'\r\n\n",
        "LLM_fix_output": "\tx = 'é'\r\n\n",
        "Errors": [],
    },
]


def test_a_file_in_the_papers_shape_comes_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(dump(PLAIN).encode())
    dataset = bring(path, "one")
    text = export(dataset, tmp_path / "out")
    assert (tmp_path / "out" / "one.json").read_bytes() == path.read_bytes()
    assert text.splitlines() == [
        str(tmp_path / "out" / "one.json"),
        str(tmp_path / "out" / "one-t2j.about.yaml"),
        "2 examples, 9 steps.",
    ]


def test_our_own_keys_and_files_come_back_too(tmp_path: Path) -> None:
    category = Category.objects.create(slug="api", name="API misuse")
    Subcategory.objects.create(category=category, slug="wrong", name="Wrong argument")
    step = dirty.step("view", "x", Category="API misuse", Subcategory="Wrong argument")
    record = dirty.CHAINED | {
        "Errors": [step, dirty.step("", "", Kind="format")],
        "Title": "T",
        "Difficulty": "hard",
        "Source": "S",
        "Licence": "CC0-1.0",
        "Attachments": ["data.csv"],
    }
    path = tmp_path / "in.json"
    path.write_text(dump([record]))
    (tmp_path / "data.csv").write_bytes(b"1,2\r\n")
    one = bring(path, "one")
    out = tmp_path / "out"
    assert export(one, out).splitlines()[:2] == [
        str(out / "one.json"),
        str(out / "one-files.zip"),
    ]
    assert (out / "one.json").read_bytes() == path.read_bytes()
    two = bring(out / "one.json", "two")
    export(two, out)
    assert (out / "two.json").read_bytes() == path.read_bytes()
    assert (out / "two-files.zip").read_bytes() == (out / "one-files.zip").read_bytes()
    with zipfile.ZipFile(out / "one-files.zip") as archive:
        assert archive.namelist() == ["e1/data.csv"]
        assert archive.read("e1/data.csv") == b"1,2\r\n"


def test_the_sample_comes_back_the_same_and_its_steps_replay(tmp_path: Path) -> None:
    call_command("load_sample", stdout=io.StringIO())
    export(Dataset.objects.get(slug="sample"), tmp_path)
    records = json.loads((tmp_path / "sample.json").read_text())["Pytorch_to_JAX_Examples"]
    for record in records:
        code = record["LLM_weak_output"]
        for step in record["Errors"]:
            assert code.count(step["Error_Code"]) == 1
            code = code.replace(step["Error_Code"], step["Fixed_Code"])
        assert code == record["LLM_fix_output"]
    again = bring(tmp_path / "sample.json", "again")
    export(again, tmp_path)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "sample.json").read_bytes()
    for name in ("sample", "again"):
        assert (tmp_path / f"{name}-files.zip").is_file()


def test_the_text_is_what_json_dumps_writes(tmp_path: Path) -> None:
    odd = "".join(map(chr, [*range(1, 0x21), 0x7F, 0x80, 0x2028, 0x1F600])) + '"\\\\u00e9/%s%%{}é'
    category = Category.objects.create(slug="odd", name=f"A {odd} B")
    draft = make_draft()
    kinds = (StepKind.FORMAT, StepKind.BEHAVIOUR, StepKind.REFERENCE)
    for order, (kind, where) in enumerate(product(kinds, Located), start=1):
        draft.steps.create(
            order=order,
            error_code=odd,
            error=odd,
            fix_info="" if order % 2 else odd,
            fixed_code=odd,
            kind=kind,
            located=where,
            category=category if order % 3 else None,
        )
    dataset = draft.example.dataset
    export(dataset, tmp_path)
    record = record_of(draft.example)
    assert (tmp_path / f"{dataset.slug}.json").read_text() == dump([to_json(record)])
    assert len(record.steps) == len(kinds) * len(Located)


def test_a_step_saved_in_the_studio_is_in_the_export(tmp_path: Path) -> None:
    category = Category.objects.create(slug="shape", name="Shape")
    draft = make_draft()
    text = StepText(error="wrong", fix_info="two", category=category, kind=StepKind.FORMAT)
    steps.save_step(draft, base=0, code=FIXED, text=text, by=None)
    dataset = draft.example.dataset
    export(dataset, tmp_path)
    (record,) = json.loads((tmp_path / f"{dataset.slug}.json").read_text())[
        "Pytorch_to_JAX_Examples"
    ]
    assert record["LLM_fix_output"] == FIXED
    assert record["Errors"] == [
        {
            "Error_Code": "print(jnp.ones(3).sum())",
            "Error": "wrong",
            "Fix_info": "two",
            "Fixed_Code": "print(jnp.ones(2).sum())",
            "Category": "Shape",
            "Kind": "format",
        }
    ]


def test_what_is_left_out_or_unfinished_is_counted_with_the_reason(tmp_path: Path) -> None:
    dataset = make_dataset("mine")
    make_example(dataset)
    make_example(dataset)
    make_draft(example=make_example(dataset))
    lines = export(dataset, tmp_path).splitlines()
    assert lines[2:] == [
        "1 example, 0 steps.",
        "Left out: 2 without a draft.",
        "1 not repaired to the end: LLM_fix_output is empty.",
    ]


def test_of_several_drafts_the_best_then_the_newest_is_taken(tmp_path: Path) -> None:
    example = make_example()
    done = make_draft("done = 1\n", example=example)
    make_draft("newer = 1\n", example=example)
    dataset = example.dataset
    path = tmp_path / f"{dataset.slug}.json"

    def exported() -> str:
        text = export(dataset, tmp_path)
        assert "1 with several drafts" in text
        (record,) = json.loads(path.read_text())["Pytorch_to_JAX_Examples"]
        return str(record["LLM_weak_output"])

    assert exported() == "newer = 1\n"
    Draft.objects.filter(pk=done.pk).update(status=DraftStatus.VERIFIED)
    assert exported() == "done = 1\n"


def test_an_empty_dataset_is_an_empty_list(tmp_path: Path) -> None:
    export(make_dataset("empty"), tmp_path)
    assert (tmp_path / "empty.json").read_text() == dump([])


def test_statistics_as_json_and_csv(tmp_path: Path) -> None:
    Category.objects.create(slug="odd", name="=1+1")
    draft = make_draft(example=make_example(make_dataset("mine")))
    text = StepText(category=Category.objects.get())
    steps.save_step(draft, base=0, code=FIXED, text=text, by=None)
    export(draft.example.dataset, tmp_path, "statistics")
    found = json.loads((tmp_path / "mine-statistics.json").read_text())
    assert found["fixcost"]["all"]["mean"] == 1.0
    with (tmp_path / "mine-statistics-fixcost.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["steps", "drafts", "total", "mean", "median", "min", "max"],
            ["all", "1", "1", "1.0", "1.0", "1", "1"],
            ["behaviour", "1", "1", "1.0", "1.0", "1", "1"],
        ]
    with (tmp_path / "mine-statistics-categories.csv").open(newline="") as file:
        # No spreadsheet may take a name for a formula.
        assert list(csv.reader(file))[1] == ["'=1+1", "", "1", "1.0"]


def test_a_file_that_breaks_off_leaves_the_old_one(tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    (tmp_path / "f.json").write_text("old")
    broken = Export((ExportFile("f.json", "application/json", breaks),), Tally())
    with pytest.raises(CannotWrite, match="No space left on device"):
        write(broken, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]
    assert (tmp_path / "f.json").read_text() == "old"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be made"):
        export(make_dataset(), tmp_path / "file" / "out")


def test_queries_do_not_grow_with_examples(
    tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    small, large = make_dataset(), make_dataset()
    make_draft(example=make_example(small))
    for _ in range(5):
        make_draft(example=make_example(large))
    for dataset in (small, large):
        with django_assert_num_queries(7):
            export(dataset, tmp_path)
