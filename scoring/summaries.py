"""Counts of a dataset, kept ready: made anew when what they rest on changed, never by hand.

What they rest on is known by its newest audit events and verdicts: every write of a person leaves
an event, every write of a machine that is counted a verdict. A dataset that is counted in a moment
is counted by whoever asks; a large one by a worker, and pages say of when their numbers are.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from curation.models import Dataset, Draft, Example
from executor import runtimes
from executor.contracts import hashes_of, runtime_hash, runtime_or_default
from executor.parity.engine import VERSION
from executor.runtimes import RuntimeUnavailable
from scoring.models import Summary
from scoring.summary_sql import DATASET, PARTS, TALLIES

# Up to so many drafts a page counts while someone waits for it.
AT_ONCE_DRAFTS = 1_000
# A worker counts a large dataset at most so often, in multiples of what counting takes.
REST = 5
# Events and verdicts are numbered before they are seen: one may come late, but not after so many.
LATE = 1_000
# Which advisory locks of the database are ours.
_LOCKS = 7_150_302


@dataclass(frozen=True, slots=True)
class State:
    """How a dataset's counts stand: from when, whether newer writes exist, whether any exist."""

    made_at: datetime | None
    outdated: bool

    @property
    def missing(self) -> bool:
        return self.made_at is None


def stamps(datasets: Sequence[Dataset]) -> dict[int, str]:
    """What the counts of each dataset rest on at present, in one query."""
    machine = (
        VERSION,
        next((text[:12] for _, text in _runtime_hashes([runtime_or_default(None)])), ""),
    )
    with connection.cursor() as cursor:
        cursor.execute(_STAMPS, {"ids": [each.pk for each in datasets], "late": LATE})
        rows = cursor.fetchall()
    return {pk: "/".join(str(part or 0) for part in (*machine, *parts)) for pk, *parts in rows}


# There cannot be more than the limits say: without them the database expects a third of the table.
_STAMPS = """
SELECT d.id,
    (SELECT max(e.id) FROM curation_auditevent e WHERE e.dataset_id = d.id),
    (SELECT count(*) FROM (SELECT FROM curation_auditevent e WHERE e.dataset_id = d.id
        AND e.id > (SELECT max(id) FROM curation_auditevent) - %(late)s LIMIT %(late)s) late),
    (SELECT max(v.id) FROM executor_verdict v),
    (SELECT count(*) FROM (SELECT FROM executor_verdict v
        WHERE v.id > (SELECT max(id) FROM executor_verdict) - %(late)s LIMIT %(late)s) late)
FROM curation_dataset d WHERE d.id = ANY(%(ids)s)
"""


def state_of(datasets: Sequence[Dataset]) -> dict[int, State]:
    """How the counts of each dataset stand, after those were made that take but a moment."""
    now = stamps(datasets)
    known = {each.dataset_id: each for each in Summary.objects.filter(dataset__in=list(now))}
    found = {}
    for dataset in datasets:
        summary = known.get(dataset.pk)
        if (summary is None or summary.stamp != now[dataset.pk]) and _quick(dataset, summary):
            summary = rebuild(dataset)
        made_at = summary.made_at if summary else None
        found[dataset.pk] = State(made_at, not summary or summary.stamp != now[dataset.pk])
    return found


def _quick(dataset: Dataset, summary: Summary | None) -> bool:
    if summary is not None and summary.drafts > AT_ONCE_DRAFTS:
        return False
    drafts = Draft.objects.filter(example__dataset=dataset).order_by()
    return drafts[: AT_ONCE_DRAFTS + 1].count() <= AT_ONCE_DRAFTS


def rebuild_if_due(dataset: Dataset) -> Summary | None:
    """Count a dataset anew where its counts are old, but let the machine rest between."""
    summary = Summary.objects.filter(dataset=dataset).first()
    if summary is not None:
        age = (timezone.now() - summary.made_at).total_seconds()
        if summary.stamp == stamps([dataset])[dataset.pk] or age < REST * summary.seconds:
            return None
    return rebuild(dataset)


@transaction.atomic
def rebuild(dataset: Dataset) -> Summary:
    """Count a dataset anew. Others see the old counts until all are made."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, dataset.pk])
        # What is written from here on is not in this stamp, and so is counted next time.
        stamp = stamps([dataset])[dataset.pk]
        parameters: dict[str, Any] = {"dataset": dataset.pk, **_present_hashes(dataset)}
        for statement in (*PARTS, *DATASET):
            cursor.execute(statement, parameters)
        drafts = cursor.rowcount
        for statement in TALLIES:
            cursor.execute(statement, parameters)
        cursor.execute("DROP TABLE t2j_judged, t2j_seen")
    summary, _ = Summary.objects.update_or_create(
        dataset=dataset,
        defaults={
            "stamp": stamp,
            "drafts": max(drafts, 0),
            "seconds": time.perf_counter() - began,
            "made_at": timezone.now(),
        },
    )
    return summary


def _present_hashes(dataset: Dataset) -> dict[str, list[Any]]:
    """What a verdict must rest on to be current: per example, and per runtime."""
    examples = hashes_of(Example.objects.filter(dataset=dataset), in_pieces=True)
    packages = list(_runtime_hashes(runtimes.names()))
    return {
        "examples": list(examples),
        "contracts": list(examples.values()),
        "runtimes": [name for name, _ in packages],
        "packages": [text for _, text in packages],
    }


def _runtime_hashes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        with contextlib.suppress(RuntimeUnavailable):
            yield name, runtime_hash(name)
