"""Whatever a file holds, an import ends in a report, and nothing is stored in half."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.importers.source import MemorySource, unpacked
from curation.models import AuditEvent, Dataset, Draft, Example
from curation.services.imports import import_files
from tests.curation import fuzz
from tests.factories import make_dataset

ROOT = Path(__file__).resolve().parents[2]
READ, STORED = 5_000, 150
MOST_MEGABYTES = 600


def test_thousands_of_spoilt_files_are_read_in_little_memory() -> None:
    """In a process of its own, whose memory the system limits."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.curation.fuzz", "1", str(READ), str(MOST_MEGABYTES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert counts["files"] == READ
    assert counts["large files"] == 15
    assert counts["megabytes"] < MOST_MEGABYTES
    # Neither everything is refused nor everything taken.
    assert counts["Record"] > READ // 4
    assert counts["Note"] > READ // 4
    assert counts["refused"] > READ // 20


@pytest.mark.django_db
def test_spoilt_files_leave_no_half_records() -> None:
    dataset = make_dataset()
    taken = 0
    for seed in range(100_000, 100_000 + STORED):
        name, content = fuzz.spoilt(seed)
        dry = import_files(dataset, unpacked(MemorySource(name, content)), by=None, dry_run=True)
        wet = import_files(dataset, unpacked(MemorySource(name, content)), by=None)
        json.dumps(wet.to_json()).encode()
        assert counts_of(dry) == counts_of(wet), f"seed {seed}"
        again = import_files(dataset, unpacked(MemorySource(name, content)), by=None)
        assert (again.new, again.changed, again.drafts) == (0, 0, 0), f"seed {seed}"
        taken += wet.new + wet.changed
    assert taken > STORED // 4
    check_whole(dataset)


def counts_of(report: object) -> list[int]:
    names = ("files", "files_refused", "new", "changed", "same", "refused", "left_out", "drafts")
    return [getattr(report, name) for name in names]


def check_whole(dataset: Dataset) -> None:
    """Every example tells where it came from, and every draft has its revisions."""
    imported = set(
        AuditEvent.objects.filter(action="example.imported").values_list("target_id", flat=True)
    )
    assert {str(pk) for pk in dataset.examples.values_list("pk", flat=True)} == imported
    assert not Draft.objects.filter(revisions=None).exists()
    for example in Example.objects.prefetch_related("drafts__steps", "drafts__revisions"):
        for draft in example.drafts.all():
            numbers = [revision.number for revision in draft.revisions.order_by("number")]
            assert numbers == list(range(len(numbers)))
            orders = [step.order for step in draft.steps.order_by("order")]
            assert orders == list(range(1, len(orders) + 1))
