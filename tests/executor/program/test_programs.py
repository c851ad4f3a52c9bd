"""Whole programs: right translations pass without a contract, single-defect mutants fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executor.parity.cache import DiskCache
from executor.parity.engine import verify
from executor.parity.outcome import Outcome, Stage
from fixtures.judging import verify_all
from fixtures.programs.pairs import Case, cases, folders, place

ALL = list(cases())
NAMES = [folder.name for folder in folders()]
# The sample's own translations are judged with its other revisions, in tests/sample.
RIGHT = [case for case in ALL if not case.defect and case.translation != "fixed"]
# Mutants whose place fixtures/programs/record.py has written down.
RECORDED = [case for case in ALL if "probe" in case.expected]
# A pass and a fail each: draws in a loop under jit, and under vmap.
REPEATED = ("m6/fixed", "vmap_noise/plain")


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("references"))


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.name)
def test_right_translation_passes(case: Case, references: DiskCache) -> None:
    verdict = verify(case.reference, case.candidate, files=case.files, cache=references)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert verdict.stage is Stage.BEHAVIORAL
    assert verdict.strength is not None
    assert verdict.strength.share == 1.0, verdict.strength


@pytest.mark.parametrize("name", dict.fromkeys(case.folder for case in RECORDED))
def test_mutants_fail_where_the_defect_shows(name: str, references: DiskCache) -> None:
    mutants = [case for case in RECORDED if case.folder == name]
    codes = [case.candidate for case in mutants]
    verdicts = verify_all(mutants[0].reference, codes, mutants[0].files, references)
    for case, verdict in zip(mutants, verdicts, strict=True):
        assert place(verdict) == case.expected, (case.name, case.defect)


@pytest.mark.parametrize("name", REPEATED)
def test_the_same_verdict_each_time(name: str, tmp_path: Path) -> None:
    """Byte for byte but for times, with the reference run anew."""
    right, mutant = [case for case in ALL if case.name == name][:2]
    for case in (right, mutant):
        first, second = (without_times(case, tmp_path / number) for number in "12")
        assert first == second


def without_times(case: Case, cache: Path) -> str:
    verdict = verify(case.reference, case.candidate, files=case.files, cache=DiskCache(cache))
    described: dict[str, Any] = verdict.to_json()
    del described["seconds"], described["timings"]
    return json.dumps(described)


def test_recorded_mutants_fail_after_both_programs_ran_to_their_end() -> None:
    for case in RECORDED:
        assert case.expected["outcome"] == "fail", case
        assert case.expected["stage"] == "behavioral", case


def test_there_are_enough_of_them() -> None:
    for name in NAMES:
        assert sum(case.folder == name and bool(case.defect) for case in ALL) >= 3, name
    # Some defects are in the draws, and the verdict says in which.
    assert sum(bool(case.expected.get("draw")) for case in ALL) >= 5
