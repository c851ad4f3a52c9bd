"""Programs that try to be passed without being right. None may be, and none may do harm."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.parity.cache import DiskCache
from executor.parity.contract import Contract
from executor.parity.engine import verify
from executor.parity.outcome import Outcome, Reason, Verdict

ROOT = Path(__file__).parents[3]
FORGERIES = ROOT / "fixtures" / "parity" / "forgeries"
# What a forgery leaves outside of its box if it gets out.
ESCAPED = Path("/tmp/t2j-forged")
WALL_S = 60.0


def forgeries() -> list[Any]:
    return [
        pytest.param(folder, name, expected, id=f"{folder.name}/{name.removesuffix('.py')}")
        for folder in sorted(path.parent for path in FORGERIES.glob("*/forgeries.toml"))
        for name, expected in tomllib.loads((folder / "forgeries.toml").read_text()).items()
    ]


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("references"))


def judge(folder: Path, name: str, references: DiskCache) -> Verdict:
    reference, candidate = ((folder / each).read_text() for each in ("reference.py", name))
    contract = Contract.recognise(reference, candidate)
    limited = Contract.from_json({**contract.to_json(), "wall_s": WALL_S})
    return verify(reference, candidate, contract=limited, cache=references)


def fingerprint() -> str:
    """Of the harness's files, which every box can read."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "executor" / "harness").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize(("folder", "name", "expected"), forgeries())
def test_forgery_gets_no_pass(
    folder: Path, name: str, expected: dict[str, list[str]], references: DiskCache
) -> None:
    before = fingerprint()
    verdict = judge(folder, name, references)
    assert str(verdict.outcome) in expected["outcomes"], verdict.message
    if verdict.outcome is Outcome.FAIL:
        assert str(verdict.kind) in expected["kinds"], verdict.message
        assert verdict.stage is not None
    else:
        assert verdict.reason is not Reason.BAD_INPUT, verdict.message
    assert verdict.message
    assert not ESCAPED.exists()
    assert fingerprint() == before


@pytest.mark.parametrize("folder", ["module", "program"])
def test_honest_candidate_passes_after_all_forgeries(folder: str, references: DiskCache) -> None:
    verdict = judge(FORGERIES / folder, "honest.py", references)
    assert verdict.outcome is Outcome.PASS, verdict.message


def test_no_forgery_runs_on(references: DiskCache) -> None:
    """A box's processes end with it: none under the name that the forgery takes is left."""
    verdict = judge(FORGERIES / "module", "forks_a_writer.py", references)
    assert verdict.outcome is not Outcome.PASS
    left = [
        process.pid
        for process in psutil.process_iter(["name"])
        if process.info["name"] == "t2j-forged"
    ]
    assert left == []


def test_the_suite_is_large_enough() -> None:
    assert len(forgeries()) >= 32
