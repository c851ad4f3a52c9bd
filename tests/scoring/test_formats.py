"""What leaves the house in each format, what does not and why, and who is kept together."""

import hashlib
import io
import json
import random
import string
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from curation.enums import DraftStatus
from curation.models import Category, Dataset, Draft, Example, FixStep, Revision
from curation.services import steps
from curation.services.datasets import set_contract
from curation.services.steps import StepText
from scoring.exporters import FORMATS, Only, Options, Tally, make
from scoring.exporters.splits import split_of
from tests.factories import DRAFT, FIXED, REFERENCE, make_dataset, make_draft, make_example
from tests.scoring.judged import FAILED, PASSED, judge, repaired, verified_example

pytestmark = pytest.mark.django_db
TRAINING = ("sft", "dpo", "stepwise", "openai-sft", "openai-dpo")


def read(dataset: Dataset, name: str, **options: Any) -> tuple[dict[str, bytes], Any]:
    """The files of an export by name, and its tally."""
    export = make(name, dataset, Options(**options))
    return {file.name: b"".join(file.read()) for file in export.whole()}, export.tally


def rows(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_only_what_replays_and_passes_leaves_and_the_rest_is_counted() -> None:
    dataset = make_dataset("mine")
    verified_example(dataset)
    make_example(dataset)  # no draft
    make_draft(example=make_example(dataset))  # never run
    repaired(make_example(dataset), last=FAILED)
    stale = verified_example(dataset)
    set_contract(stale, {"kind": "program"}, by=None)
    broken = repaired(make_example(dataset))
    FixStep.objects.filter(draft=broken).update(fixed_code="something else")
    on_trust = repaired(make_example(dataset), last=FAILED)
    Draft.objects.filter(pk=on_trust.pk).update(
        status=DraftStatus.APPROVED, approval_reason="The reference is random."
    )
    files, tally = read(dataset, "t2j")
    assert len(json.loads(files["mine.json"])["Pytorch_to_JAX_Examples"]) == 1
    assert tally.lines() == [
        "1 example, 1 step.",
        "Left out: 1 without a draft.",
        "Left out: 1 whose newest revision has no verdict yet.",
        "Left out: 1 whose newest revision does not pass.",
        "Left out: 1 whose verdict is of an older contract, engine or runtime: run them again.",
        "Left out: 1 whose steps do not replay to the newest revision.",
        "Left out: 1 approved without a pass: --only approved takes them, with the written reason.",
    ]
    files, tally = read(dataset, "t2j", only=Only.APPROVED)
    (record,) = json.loads(files["mine.json"])["Pytorch_to_JAX_Examples"]
    assert record["Approval_reason"] == "The reference is random."
    assert tally.left_out["not approved by a second person"] == 5
    assert read(dataset, "t2j", only=Only.ALL)[1].examples == 6


def test_an_empty_result_says_so() -> None:
    dataset = make_dataset("mine")
    make_draft(example=make_example(dataset))
    for name in ("t2j", *TRAINING):
        _, tally = read(dataset, name)
        assert tally.lines()[:2] == [
            "0 examples, 0 steps.",
            "Nothing is in it: everything was left out.",
        ]


def test_a_draft_that_may_not_leave_makes_room_for_one_that_may() -> None:
    example = verified_example(make_dataset("mine"))
    newer = make_draft("import jax\n", example=example)
    Draft.objects.filter(pk=newer.pk).update(status=DraftStatus.APPROVED)
    files, _ = read(example.dataset, "t2j")
    (record,) = json.loads(files["mine.json"])["Pytorch_to_JAX_Examples"]
    assert record["LLM_fix_output"] == FIXED


def test_the_override_is_written_into_the_metadata() -> None:
    dataset = make_dataset("mine")
    make_draft(example=make_example(dataset))
    for only, unverified in ((None, False), (Only.ALL, True)):
        for name in ("t2j", *TRAINING):
            files, _ = read(dataset, name, only=only)
            about = yaml.safe_load(files[f"mine-{name}.about.yaml"])
            assert about["unverified_included"] is unverified
            assert about["only"] == ("all" if unverified else "verified")


def test_the_rows_that_trl_takes() -> None:
    dataset = make_dataset("mine")
    example = verified_example(dataset)
    example.source, example.licence = "a book", "MIT"
    example.save()
    origin = {
        "example_id": example.example_id,
        "source": "a book",
        "licence": "MIT",
        "approval_reason": "",
    }
    (sft,) = rows(read(dataset, "sft")[0]["mine-sft.jsonl"])
    assert [message["role"] for message in sft["messages"]] == ["system", "user", "assistant"]
    assert REFERENCE in sft["messages"][1]["content"]
    assert sft["messages"][2]["content"] == f"```python\n{FIXED}```"
    assert {name: sft[name] for name in origin} == origin
    (dpo,) = rows(read(dataset, "dpo")[0]["mine-dpo.jsonl"])
    assert dpo["prompt"] == sft["messages"][:2]
    assert dpo["chosen"] == sft["messages"][2:]
    assert dpo["rejected"] == [{"role": "assistant", "content": f"```python\n{DRAFT}```"}]
    (step,) = rows(read(dataset, "stepwise")[0]["mine-stepwise.jsonl"])
    assert step["completions"] == [f"```python\n{DRAFT}```", f"```python\n{FIXED}```"]
    assert step["labels"] == [False, True]
    assert isinstance(step["prompt"], str) and REFERENCE in step["prompt"]


def test_the_rows_that_openai_takes_have_no_other_keys() -> None:
    dataset = make_dataset("mine")
    verified_example(dataset)
    (sft,) = rows(read(dataset, "openai-sft")[0]["mine-openai-sft.jsonl"])
    assert list(sft) == ["messages"]
    (dpo,) = rows(read(dataset, "openai-dpo")[0]["mine-openai-dpo.jsonl"])
    assert dpo == {
        "input": {"messages": sft["messages"][:2], "tools": [], "parallel_tool_calls": True},
        "preferred_output": sft["messages"][2:],
        "non_preferred_output": [{"role": "assistant", "content": f"```python\n{DRAFT}```"}],
    }


def test_what_a_format_cannot_hold_is_left_out_with_the_reason() -> None:
    dataset = make_dataset("mine")
    right = make_draft(FIXED, example=make_example(dataset))
    judge(right, FIXED, PASSED)
    unjudged = make_draft(example=make_example(dataset))
    steps.save_step(unjudged, base=0, code=FIXED, text=StepText(), by=None)
    judge(unjudged, FIXED, PASSED)
    assert read(dataset, "sft")[1].examples == 2
    _, tally = read(dataset, "dpo")
    assert (tally.examples, list(tally.left_out)) == (
        1,
        ["whose draft was right as it was: there is nothing to prefer over it"],
    )
    _, tally = read(dataset, "stepwise")
    assert (tally.examples, list(tally.left_out)) == (
        1,
        ["with a revision that has no pass or fail under the present contract"],
    )


def test_an_option_that_a_format_does_not_know_is_refused(tmp_path: Path) -> None:
    make_dataset("mine")

    def ask(**options: Any) -> None:
        call_command("export_dataset", "mine", out=tmp_path, stdout=io.StringIO(), **options)

    with pytest.raises(CommandError, match="snapshot is not made with --split"):
        ask(format="snapshot", split="problem")
    with pytest.raises(CommandError, match="sft is not made with --leave-one-out"):
        ask(format="sft", leave_one_out=True)
    with pytest.raises(CommandError, match="choose one"):
        ask(format="t2j", leave_one_out=True, split="problem")
    ask(format="snapshot", only="all")


PROGRAM = "import torch\n" + "".join(
    f"layer{n} = torch.nn.Linear({n}, {n + 1})\nprint(layer{n}.weight.shape)\n" for n in range(30)
)


def other(number: int) -> str:
    """A program that has little in common with those of other numbers."""
    draw = random.Random(number)
    names = ["".join(draw.choices(string.ascii_lowercase, k=6)) for _ in range(40)]
    return "\n".join(f"{one} = {two}({number})" for one, two in pairwise(names)) + "\n"


def test_near_duplicates_stay_together_and_the_order_does_not_matter() -> None:
    near = {f"near{n}": PROGRAM.replace("layer7", f"other{n}") + "# a comment\n" for n in range(8)}
    far = {f"far{n}": other(n) for n in range(12)}
    programs = list((near | far).items())
    found = split_of(programs)
    assert split_of(reversed(programs)) == found
    assert {found[name] for name in near} == {(found["near0"][0], "near0")}
    assert len({found[name][1] for name in far}) == len(far)
    assert {split for split, _ in found.values()} == {"train", "validation", "test"}


def test_a_split_gives_each_example_to_one_file() -> None:
    dataset = make_dataset("mine")
    for number in range(10):
        verified_example(dataset, other(number))
    make_example(dataset, code=PROGRAM)
    files, tally = read(dataset, "sft", split="problem")
    found = {
        name: [row["example_id"] for row in rows(files[f"mine-sft-{name}.jsonl"])]
        for name in ("train", "validation", "test")
    }
    assert sorted(name for names in found.values() for name in names) == sorted(
        dataset.examples.exclude(drafts=None).values_list("example_id", flat=True)
    )
    assert {name: tally.splits[name] for name in found} == {
        name: len(ids) for name, ids in found.items()
    }
    assert len(found["train"]) in (8, 9)
    assert tally.left_out == {"without a draft": 1}
    assert read(dataset, "sft", split="problem")[0] == files


def test_leave_one_out_makes_a_file_for_each_example_without_it_and_its_likes() -> None:
    dataset = make_dataset("mine")
    one = verified_example(dataset, PROGRAM)
    like = verified_example(dataset, f"{PROGRAM}# the same\n")
    far = verified_example(dataset, other(3))
    files, tally = read(dataset, "t2j", leave_one_out=True)

    def others(name: str) -> list[str]:
        found = json.loads(files[f"mine-without/{name}.json"])["Pytorch_to_JAX_Examples"]
        return [each["Example_id"] for each in found]

    assert others(one.example_id) == others(like.example_id) == [far.example_id]
    assert others(far.example_id) == [one.example_id, like.example_id]
    assert (tally.examples, tally.steps) == (3, 3)


def test_the_hugging_face_folder_is_read_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    dataset = make_dataset("mine")
    Dataset.objects.filter(pk=dataset.pk).update(licence="Apache-2.0", description="Ours.")
    dataset.refresh_from_db()
    category = Category.objects.create(slug="shape", name="Shape")
    for number in range(12):
        verified_example(dataset, other(number), category=category)
    call_command(
        "export_dataset",
        "mine",
        format="hf",
        split="problem",
        out=tmp_path / "hf",
        stdout=io.StringIO(),
    )
    found = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "validation", "test"}
    assert sum(part.num_rows for part in found.values()) == 12
    row = found["train"][0]
    assert row["fixed_code"] == FIXED and row["draft_code"] == DRAFT
    assert [each["category"] for each in row["steps"]] == ["Shape"]
    assert [each["outcome"] for each in row["revisions"]] == ["fail", "pass"]
    card = (tmp_path / "hf" / "README.md").read_text().split("---")[1]
    told = yaml.safe_load(card)
    assert told["license"] == "apache-2.0"
    assert told["size_categories"] == ["n<1K"]
    assert told["dataset_info"]["splits"][0]["num_examples"] == found["train"].num_rows


def test_the_croissant_file_validates(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = make_dataset("mine")
    Dataset.objects.filter(pk=dataset.pk).update(licence="Apache-2.0")
    dataset.refresh_from_db()
    example = verified_example(dataset)
    call_command("export_dataset", "mine", format="croissant", out=tmp_path, stdout=io.StringIO())
    metadata = json.loads((tmp_path / "croissant.json").read_text())
    for file in metadata["distribution"]:
        content = (tmp_path / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    found = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    (row,) = found.records("examples")
    assert row["examples/example_id"].decode() == example.example_id
    (step,) = found.records("steps")
    assert step["steps/order"] == 1


def test_every_format_says_what_it_takes() -> None:
    for exporter in FORMATS.values():
        assert exporter.takes <= {"only", "leave-one-out", "split"}
        assert (exporter.usual == Only.VERIFIED) == ("only" in exporter.takes)


def many(slug: str, count: int) -> Dataset:
    """Examples of 30 KB, each with a draft that was never run."""
    dataset = make_dataset(slug)
    examples = Example.objects.bulk_create(
        Example(dataset=dataset, example_id=f"e{n}", position=n, pytorch_code="x" * 20_000)
        for n in range(count)
    )
    drafts = Draft.objects.bulk_create(Draft(example=example) for example in examples)
    Revision.objects.bulk_create(
        Revision(draft=draft, number=0, code="x" * 10_000, sha256="0" * 64, origin="draft")
        for draft in drafts
    )
    return dataset


@pytest.mark.django_db(transaction=True)  # else nothing is read ahead
@pytest.mark.parametrize("name", ["t2j", "snapshot"])
def test_memory_does_not_grow_with_the_dataset(name: str) -> None:
    drain(many("first", 2), name)  # loads what is loaded once
    peaks = []
    for slug, count in (("small", 600), ("large", 1200)):
        dataset = many(slug, count)
        tracemalloc.start()
        tally, written = drain(dataset, name)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert tally.examples == count and written > 0
        peaks.append(peak)
    # The programs that the large one has more are 18 MB.
    assert peaks[1] < peaks[0] + 3_000_000


def drain(dataset: Dataset, name: str) -> tuple[Tally, int]:
    """Make an export and keep nothing of it."""
    export = make(name, dataset, Options(only=Only.ALL))
    written = sum(len(piece) for file in export.whole() for piece in file.read())
    return export.tally, written
