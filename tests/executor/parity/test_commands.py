"""verify and verify_pairs from the shell: exit statuses, JSON, bad input, resuming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CASES = ROOT / "fixtures" / "parity" / "cases"
RIGHT = (CASES / "mlp" / "reference.py", CASES / "mlp" / "right_linen.py")
WRONG = (CASES / "mlp" / "reference.py", CASES / "mlp" / "mutant_missing_bias.py")
# No database can be reached under this address: the commands must need none.
NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}


def manage(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **NOWHERE},
        capture_output=True,
        text=True,
        check=False,
    )


def test_exit_status_and_json() -> None:
    found = manage("verify", *RIGHT, "--json")
    assert found.returncode == 0, found.stderr
    data: dict[str, Any] = json.loads(found.stdout)
    assert data["outcome"] == "pass"
    assert {
        "outcome",
        "stage",
        "kind",
        "reason",
        "probes",
        "strength",
        "constants",
        "parameter_mapping",
        "runtime",
        "seconds",
    } <= set(data)
    probe = {
        "name",
        "tier",
        "outcome",
        "shape",
        "max_abs_error",
        "max_rel_error",
        "first_difference",
    }
    assert all(probe <= set(each) for each in data["probes"])
    wrong = manage("verify", *WRONG)
    assert wrong.returncode == 1
    assert "FAIL at spec: parameter_tree_mismatch" in wrong.stdout


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    files = {
        "missing": (folder / "missing.py", "No such file"),
        "empty": (folder / "empty.py", "empty"),
        "binary": (folder / "binary.py", "not text"),
        "latin": (folder / "latin.py", "not UTF-8"),
        "two": (folder / "two.py", "not Python 3"),
        "long": (folder / "long.py", "characters"),
    }
    files["empty"][0].write_text("")
    files["binary"][0].write_bytes(b"\0\1")
    files["latin"][0].write_bytes(b"name = '\xe9'\n")
    files["two"][0].write_text("print 'hello'\n")
    files["long"][0].write_text("x = 1\n" * 1_000_000)
    return files


@pytest.mark.parametrize("kind", ["missing", "empty", "binary", "latin", "two", "long"])
def test_bad_references_get_a_sentence_and_exit_2(kind: str, tmp_path: Path) -> None:
    path, words = bad_files(tmp_path)[kind]
    found = manage("verify", path, RIGHT[1], "--json")
    assert found.returncode == 2, found.stderr
    assert "Traceback" not in found.stdout + found.stderr
    data = json.loads(found.stdout)
    assert data["outcome"] == "undecided"
    assert words in data["message"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--constants", "{", "not JSON"),
        ("--constants", '{"a b": 1}', "name of a constant"),
        ("--contract", "missing.json", "No such file"),
        ("--inputs", "missing.npz", "No such file"),
        ("--runtime", "jax-from-the-future", "jax-from-the-future"),
    ],
)
def test_bad_options_get_a_sentence_and_exit_2(option: str, value: str, words: str) -> None:
    found = manage("verify", *RIGHT, option, value)
    assert found.returncode == 2, found.stdout + found.stderr
    assert words in found.stdout
    assert "Traceback" not in found.stdout + found.stderr


def rows(path: Path) -> Path:
    reference, right = (each.read_text() for each in RIGHT)
    wrong = WRONG[1].read_text()
    path.write_text(
        "".join(
            json.dumps(row) + "\n"
            for row in (
                {"kb_id": "one", "pytorch_code": reference, "jax_code": right},
                {"id": "two", "pytorch_code": reference, "jax_code": wrong},
                {"pytorch_code": reference, "jax_code": "import"},
            )
        )
    )
    return path


def test_pairs_are_verified_and_resumed(tmp_path: Path) -> None:
    file, out = rows(tmp_path / "pairs.jsonl"), tmp_path / "results.jsonl"
    first = manage("verify_pairs", file, "--out", out, "--only", "one,3")
    assert first.returncode == 0, first.stderr
    assert {json.loads(line)["id"] for line in out.read_text().splitlines()} == {"one", "3"}
    with out.open("a") as stream:
        stream.write('{"id": "two", "outc')
    out.write_text(out.read_text() + "\n")
    second = manage("verify_pairs", file, "--out", out)
    assert second.returncode == 0, second.stderr
    assert "2 rows are done already" in second.stderr
    found = [json.loads(line) for line in out.read_text().splitlines() if line.endswith("}")]
    assert {each["id"]: each["outcome"] for each in found} == {
        "one": "pass",
        "two": "fail",
        "3": "fail",
    }
    assert "3 pairs" in second.stdout
    assert "syntax_error" in second.stdout


def test_a_bad_row_costs_itself_only(tmp_path: Path) -> None:
    file, out = rows(tmp_path / "pairs.jsonl"), tmp_path / "results.jsonl"
    first = file.read_text().splitlines()[0]
    file.write_text(f'{first}\nnot json\n{{"id": "half", "jax_code": "x"}}\n{first}\n')
    found = manage("verify_pairs", file, "--out", out)
    assert found.returncode == 0, found.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {each["id"]: (each["outcome"], each["reason"]) for each in lines} == {
        "one": ("pass", None),
        "2": ("undecided", "bad_input"),
        "half": ("undecided", "bad_input"),
        "one (2)": ("undecided", "bad_input"),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json\n", "line 1: not JSON"),
        ('{"pytorch_code": "x"}\n', "needs the texts"),
        ("[]\n", "needs the texts"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(text)
    found = manage("verify_pairs", file)
    assert found.returncode == 2
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    unknown = manage("verify_pairs", rows(tmp_path / "good.jsonl"), "--only", "nine")
    assert unknown.returncode == 2
    assert "nine" in unknown.stderr
