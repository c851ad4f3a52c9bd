"""The probe of what runs leave sees what is left, and a run leaves nothing."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from executor import sandbox
from executor.sandbox import Job, leaks, overhead


def test_a_file_a_descriptor_and_a_process_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # What earlier runs left to end would hide what is added here.
    before = leaks.settled()
    child = subprocess.Popen(["sleep", "600"])
    try:
        with (tmp_path / "left").open("w"):
            found = leaks.grown(before, leaks.snapshot())
    finally:
        child.kill()
        child.wait()
    assert {"descriptors", "processes", "temporary_files"} <= set(found)


def test_runs_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    job = Job("jax", "selftest_program", {"code.py": b"import os; os.fork(); print(1)"})
    sandbox.run(job)
    before = leaks.settled()
    for _ in range(20):
        sandbox.run(job)
    assert set(leaks.grown(before, leaks.settled())) <= {"shared_memory_files"}


def test_the_overhead_of_a_box_is_told_in_seconds() -> None:
    told = overhead.measure(runs=2)
    assert told.boxed_s > told.first_in_process_s > 0
    assert told.overhead_s == pytest.approx(told.boxed_s - told.first_in_process_s)
    assert set(told.to_json()) == {
        "boxed_s", "first_in_process_s", "later_in_process_s", "overhead_s",
    }  # fmt: skip
