"""Reading what people bring beside T2J JSON: found by content, record by record."""

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation import near as near_module
from curation.importers import open_file
from curation.importers.base import NotThisFormat, Options
from curation.importers.report import Note
from curation.importers.source import MemorySource, Unreadable, find_sources, unpacked
from curation.near import NearDuplicates, signature_of
from curation.records import Output, Record
from tests.curation import fuzz

LIMIT = 2**30
PROGRAM = fuzz.PROGRAM


def read(
    name: str, content: bytes, beside: dict[str, bytes] | None = None, **options: Any
) -> list[Record | Output | Note]:
    source = MemorySource(name, content, beside)
    opened, format_ = open_file(source, LIMIT, Options(**options))
    return list(format_.read(opened))


def format_of(name: str, content: bytes) -> str:
    return open_file(MemorySource(name, content), LIMIT)[1].name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("t2j.json", "T2J JSON"),
        ("one.json", "T2J JSON"),
        ("easy/line.ipynb", "Jupyter notebook"),
        ("pairs.jsonl", "PyTorch/JAX pairs"),
        ("pairs.json", "PyTorch/JAX pairs"),
        ("outputs.jsonl", "model outputs"),
        ("rows.jsonl", "rows of code"),
        ("rows.parquet", "rows of code"),
        ("program.py", "Python file"),
    ],
)
def test_formats_are_found_by_content(file: str, name: str) -> None:
    content = fuzz.whole_files_once()[file]
    assert format_of("anything", content) == name
    assert format_of("wrong.json", content) == name


def notebook(*cells: tuple[str, str]) -> bytes:
    return json.dumps(
        {
            "cells": [{"cell_type": kind, "source": text} for kind, text in cells],
            "metadata": {},
            "nbformat": 4,
        }
    ).encode()


QUESTION = notebook(("markdown", "# Linear Regression\nFit a line."), ("code", "model = ..."))
SOLUTION = notebook(
    ("markdown", "Solution"),
    ("code", "%matplotlib inline\n!pip install torch\nimport torch\n"),
    ("code", "x = 7\nif x:\n    !ls\ny = (x\n% 2)"),
    ("code", "print(open('data.csv').read(), 'absent.csv')"),
    ("code", "%%bash\necho 1"),
)


def test_a_question_and_its_solution_are_one_example() -> None:
    files = {"t/medium/lin.ipynb": QUESTION, "t/medium/data.csv": b"1"}
    note, record = read("t/medium/lin_SOLN.ipynb", SOLUTION, files)
    assert isinstance(record, Record) and isinstance(note, Note)
    assert record.pytorch_code == (
        "# # Linear Regression\n# Fit a line.\n\n"
        "# %matplotlib inline\n# !pip install torch\nimport torch\n\n"
        "x = 7\nif x:\n    pass  # !ls\ny = (x\n# % 2)\n\n"
        "print(open('data.csv').read(), 'absent.csv')\n\n"
        "# %%bash\n# echo 1\n"
    )
    assert (record.example_id, record.title) == ("lin", "Linear Regression")
    assert (record.difficulty, record.attachments) == ("medium", ("data.csv",))
    assert note.message.startswith("5 lines for notebooks set aside: “%matplotlib inline”")
    files["t/medium/lin_SOLN.ipynb"] = SOLUTION
    assert read("t/medium/lin.ipynb", QUESTION, files) == []


def test_a_cell_that_is_python_keeps_its_percent_signs() -> None:
    (record,) = read("a.ipynb", notebook(("code", "import torch\nx = (7\n% 2)")))
    assert isinstance(record, Record)
    assert record.pytorch_code == "import torch\nx = (7\n% 2)\n"


def test_pairs_keep_what_was_claimed_about_them() -> None:
    row = {"kb_id": 7, "level": "level_1", "success": True, "pytorch_code": "p", "jax_code": "j"}
    (record,) = read("p.jsonl", fuzz.lines([row | {"license": "MIT", "model": "small"}]))
    assert record == Record(
        "7", "p", draft_code="j", source="level: level_1; success: True", licence="MIT"
    )
    assert isinstance(record, Record) and record.model == "small"


def test_a_bad_line_is_refused_alone() -> None:
    content = fuzz.lines(fuzz.PAIRS[:1]) + b'{"kb_id": \n\xff\n[]\n' + fuzz.lines(fuzz.PAIRS[1:2])
    items = read("p.jsonl", content)
    assert [str(item) for item in items if isinstance(item, Note)] == [
        "p.jsonl, record number 2: The line is not whole JSON: column 10: Expecting value.",
        "p.jsonl, record number 3: The line is not UTF-8: byte 0 is 0xFF.",
        "p.jsonl, record number 4: It is not an object with keys.",
    ]
    assert [i.example_id for i in items if isinstance(i, Record)] == ["kb_0", "kb_1"]


def test_outputs_name_their_example_and_model() -> None:
    items = read("o.jsonl", fuzz.lines([*fuzz.OUTPUTS, {"id": "", "model": "m", "jax_code": "x"}]))
    assert items[:2] == [Output(f"kb_{n}", "m", fuzz.ANSWER) for n in (1, 2)]
    assert str(items[2]) == (
        "o.jsonl, record number 3, id: It is missing or empty; it says which example was "
        "translated."
    )


def code_row(code: str, path: str, licence: Any = "mit") -> dict[str, Any]:
    return {"content": code, "repo_name": "a/b", "path": path, "license": licence}


LONG = "import torch\n" + "".join(f"layer_{n} = torch.nn.Linear({n}, {n + 1})\n" for n in range(60))
CODE_ROWS = [
    code_row(LONG, "first.py"),
    code_row(LONG + "   \n\n", "same.py"),
    code_row(LONG.replace("layer_7 ", "layer_seven "), "near.py"),
    code_row("import torchvision\nimport numpy\n", "other.py"),
    code_row("from torch import nn\n", "gpl.py", "gpl-3.0"),
    code_row("import os, torch\nprint(1)\n", "free.py", ["apache-2.0", "mit"]),
    code_row("import torch.nn as nn\nprint(nn)\n", "none.py", None),
]


@pytest.mark.parametrize("make", [fuzz.lines, lambda rows: fuzz.parquet(_as_table(rows))])
def test_rows_of_code_are_filtered_and_taken_once(make: Any) -> None:
    items = read("rows", make(CODE_ROWS))
    assert [(i.example_id, i.licence) for i in items if isinstance(i, Record)] == [
        ("a/b/first.py", "mit"),
        ("a/b/free.py", "apache-2.0 OR mit"),
    ]
    assert [note.message for note in items if isinstance(note, Note)] == [
        "1 row left out: the same text stands in an earlier row.",
        "1 row left out: nearly the same text stands in an earlier row.",
        "1 row left out: they do not import torch.",
        "1 row left out: under a licence not known as permissive.",
        "1 row left out: without a licence.",
    ]
    every = read("rows", make(CODE_ROWS), any_licence=True)
    assert sum(isinstance(item, Record) for item in every) == 4


def _as_table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A column of Parquet has one type."""
    return [
        row | {"license": None, "licenses": said if isinstance(said, list) else [said or ""]}
        for row in rows
        for said in [row["license"]]
    ]


def test_a_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    rows = [code_row(f"import torch\n{'abc'[n % 3]}_{n} = {n}\n", f"{n}.py") for n in range(60)]

    def drawn(rows: list[Any], seed: int) -> set[str]:
        items = read("r.jsonl", fuzz.lines(rows), sample=10, seed=seed)
        return {item.example_id for item in items if isinstance(item, Record)}

    first = drawn(rows, 1)
    assert len(first) == 10
    assert drawn(rows[::-1], 1) == first
    assert drawn(rows, 2) != first


def test_near_duplicates_are_told_from_other_texts() -> None:
    near = NearDuplicates()
    assert near.add(LONG)
    assert not near.add(LONG.replace("layer_9 ", "other "))
    assert near.add(LONG.replace("Linear", "Conv").replace("layer", "block"))
    assert near.add("")


def test_near_duplicates_of_earlier_batches_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_module, "_BATCH", 3)
    near = NearDuplicates()
    programs = [LONG.replace("layer", f"block{number}") for number in range(10)]
    assert all(near.add(program) for program in programs)
    assert not any(near.add(f"{program}x = 1\n") for program in programs)
    assert near.add(LONG)


def test_likeness_is_that_of_three_word_runs_without_comments() -> None:
    """MinHash estimates the Jaccard similarity: over 40 pairs its mean is off by at most 0.02."""
    draw = random.Random(1)
    errors = []
    for _ in range(40):
        words = [f"{draw.choice('abc')}{draw.randrange(500)}" for _ in range(300)]
        edited = [word if draw.random() < 0.95 else "other" for word in words]
        first, second = set(runs(words)), set(runs(edited))
        true = len(first & second) / len(first | second)
        found = [" ".join(each) + "  # said\n" for each in (words, edited)]
        errors.append(float(np.mean(signature_of(found[0]) == signature_of(found[1]))) - true)
    assert abs(float(np.mean(errors))) < 0.02
    assert (signature_of("a(b)  # c\n") == signature_of("a ( b )")).all()
    assert (signature_of("ab c") != signature_of("a bc")).any()


def runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], strict=False)


def test_t2j_examples_may_stand_one_on_a_line() -> None:
    rows = [{"Example_id": f"e{n}", "Input_Code": "p"} for n in range(3)]
    items = read("t.jsonl", fuzz.lines(rows))
    assert [item.example_id for item in items if isinstance(item, Record)] == ["e0", "e1", "e2"]


def test_a_broken_json_file_is_refused_before_the_first_record() -> None:
    content = json.dumps([{"Example_id": "a", "Input_Code": "x" * 600_000}] * 3).encode()
    opened, format_ = open_file(MemorySource("f.json", content[:-2]), LIMIT)
    with pytest.raises(NotThisFormat, match="line 1, column "):
        next(iter(format_.read(opened)))


def test_zips_are_looked_into_and_names_that_lead_out_are_not_read() -> None:
    data = {"ok.py": b"import a", "../out.py": b"import b", ".hidden.py": b"import c"}
    sources = list(unpacked(MemorySource("z.zip", fuzz.zipped(data))))
    assert sorted(source.name for source in sources) == ["z.zip/../out.py", "z.zip/ok.py"]
    out = next(source for source in sources if "out" in source.name)
    with pytest.raises(Unreadable, match="leads out of the zip"):
        out.open(LIMIT)


def test_a_zip_bomb_is_not_unpacked() -> None:
    (source,) = unpacked(MemorySource("b.zip", fuzz.zipped({"b.json": b" " * 30_000_000})))
    with pytest.raises(Unreadable, match="times its size in the zip"):
        source.open(LIMIT)


def test_data_files_in_a_zip_belong_to_what_lies_beside_them() -> None:
    files = {"in/a.json": b"[]", "in/e1/d.csv": b"own", "in/d.csv": b"shared", "in/d.npz": b"PK"}
    archive = io.BytesIO(fuzz.zipped(files))
    found = {}
    for source in unpacked(MemorySource("z.zip", archive.getvalue())):
        if source.name.endswith("a.json"):
            found = {i: source.attachment(i, "d.csv") for i in ("e1", "e2")}
            assert source.attachment("e1", "../a.json") is None
    assert found == {"e1": b"own", "e2": b"shared"}


def test_arrays_in_a_folder_are_no_zips_to_look_into(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(fuzz.zipped({"x.npy": b"1"}))
    (tmp_path / "z.zip").write_bytes(fuzz.zipped({"x.py": b"import a"}))
    assert [Path(source.name).name for source in find_sources([tmp_path])] == ["d.npz", "x.py"]
