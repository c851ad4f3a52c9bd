"""The verifier's own cases: right translations in every style pass, single-defect mutants fail.

Each folder of fixtures/parity/cases holds a reference, its candidates and a manifest that names
what must be decided about each, and at which rung.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from executor.parity.cache import DiskCache
from executor.parity.engine import verify
from executor.parity.outcome import Outcome, Verdict

CASES = Path(__file__).parents[3] / "fixtures" / "parity" / "cases"
ARCHITECTURES = sorted(path.parent for path in CASES.glob("*/cases.toml"))


@cache
def manifest(folder: Path) -> dict[str, dict[str, str]]:
    """File name -> what must be decided about it."""
    data: dict[str, Any] = tomllib.loads((folder / "cases.toml").read_text())
    return {name: expected for name, expected in data.items() if name != "summary"}


def named(prefix: str) -> list[Any]:
    return [
        pytest.param(folder, name, id=f"{folder.name}/{name.removesuffix('.py')}")
        for folder in ARCHITECTURES
        for name in manifest(folder)
        if name.startswith(prefix)
    ]


def judge(folder: Path, name: str, references: DiskCache) -> Verdict:
    return verify(
        (folder / "reference.py").read_text(), (folder / name).read_text(), cache=references
    )


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[tuple[Path, str], Future[Verdict]]]:
    """The verdicts of every case that this session runs, two at a time, each reference once."""
    references = DiskCache(tmp_path_factory.mktemp("references"))
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [
        (call.params["folder"], call.params["name"])
        for call in calls
        if call is not None and call.params.get("folder") in ARCHITECTURES and "name" in call.params
    ]
    pool = ThreadPoolExecutor(max_workers=2)
    try:
        yield {
            (folder, name): pool.submit(judge, folder, name, references) for folder, name in wanted
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("folder", "name"), named("right_"))
def test_right_translation_passes(
    folder: Path, name: str, verdicts: Mapping[tuple[Path, str], Future[Verdict]]
) -> None:
    verdict = verdicts[folder, name].result()
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert verdict.strength is not None
    assert verdict.strength.share is not None
    assert verdict.strength.share >= 0.5, verdict.strength


@pytest.mark.parametrize(("folder", "name"), named("mutant_"))
def test_mutant_fails_where_its_defect_lives(
    folder: Path, name: str, verdicts: Mapping[tuple[Path, str], Future[Verdict]]
) -> None:
    expected = manifest(folder)[name]
    verdict = verdicts[folder, name].result()
    assert verdict.outcome is Outcome.FAIL, verdict.message
    assert str(verdict.stage) == expected["stage"], verdict.message
    if "kind" in expected:
        assert str(verdict.kind) == expected["kind"], verdict.message


@pytest.mark.parametrize("folder", ARCHITECTURES, ids=lambda folder: folder.name)
def test_manifest_names_every_file(folder: Path) -> None:
    files = {path.name for path in folder.glob("*.py")} - {"reference.py"}
    assert set(manifest(folder)) == files


def test_the_suite_is_large_enough() -> None:
    names = [name for folder in ARCHITECTURES for name in manifest(folder)]
    rights = [name for name in names if name.startswith("right_")]
    assert len(ARCHITECTURES) >= 28
    assert len(names) >= 130
    assert len(rights) >= 40
