"""Verify every revision of a dataset, and wait for it."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone

from curation.models import Dataset, Revision
from curation.services.audit import Actor
from executor.contracts import device_of, hash_of, runtime_hash, runtime_or_default
from executor.enums import Priority, RunState
from executor.models import Run
from executor.parity.outcome import Reason
from executor.queries import shown_runs
from executor.services import request_run
from executor.tasks import enqueue_all

OVER = (RunState.FINISHED, RunState.CANCELLED)
# Examples whose runs are asked for in one transaction.
EXAMPLES_AT_ONCE = 50


def revisions_of(dataset: Dataset) -> list[Revision]:
    """Every revision of every draft of a dataset whose program can run at all."""
    return list(_revisions_of(dataset))


def _revisions_of(dataset: Dataset) -> QuerySet[Revision]:
    return (
        Revision.objects.filter(draft__example__dataset=dataset, draft__example__not_runnable="")
        .select_related("draft__example__dataset")
        .order_by("draft__example__position", "draft__example_id", "draft_id", "number")
    )


def stale_among(revisions: Sequence[Revision]) -> list[Revision]:
    """Those whose only verdicts are stale: what they rest on changed since."""
    found = []
    for _, group in groupby(revisions, key=lambda revision: revision.draft.example_id):
        of_example = list(group)
        runs = shown_runs(of_example)
        found += [r for r in of_example if r.pk in runs and runs[r.pk].stale]
    return found


def each_revision_of(dataset: Dataset) -> Iterator[Revision]:
    """As `revisions_of`, without holding more than some of them."""
    return _revisions_of(dataset).iterator(chunk_size=500)


def request_runs(
    revisions: Iterable[Revision], *, device: str | None = None, by: Actor
) -> dict[int, int]:
    """Ask for a run of each revision; what is verified already stays. Revision id -> run id.

    Revisions of one example come one after the other. `device` is where new runs go instead of
    where their contracts say.
    """
    found: dict[int, int] = {}
    groups = groupby(revisions, key=lambda revision: revision.draft.example_id)
    examples = (list(group) for _, group in groups)
    while some := list(islice(examples, EXAMPLES_AT_ONCE)):
        found |= _request_some([revision for each in some for revision in each], device, by)
    return found


class _Key(NamedTuple):
    """What makes a run what it is, as `queries.run_key` says it."""

    example_id: int
    code_hash: str
    contract_hash: str
    runtime: str
    runtime_hash: str


@transaction.atomic
def _request_some(revisions: Sequence[Revision], device: str | None, by: Actor) -> dict[int, int]:
    """New runs in one statement; one by one only what may have something to be told or redone."""
    keys = _keys(revisions)
    known = _runs_with(set(keys.values()))
    new = {
        keys[revision.pk]: Run(
            **keys[revision.pk]._asdict(),
            code=revision.code,
            draft=revision.draft,
            device=device or device_of(revision.draft.example),
            priority=Priority.BATCH,
            requested_by=by,
        )
        # Of several drafts with the same code the first asks.
        for revision in reversed(revisions)
        if keys[revision.pk] not in known
    }
    turns = _in_turns(reversed(new))
    # Where someone else asked meanwhile, theirs counts.
    Run.objects.bulk_create([new[key] for key in turns], ignore_conflicts=True)
    there = known | _runs_with(set(new))
    enqueue_all([there[key] for key in turns])
    heads = _heads(revisions)
    for revision in revisions:
        run = there[keys[revision.pk]]
        if keys[revision.pk] in known and _needs_a_look(run, revision.pk in heads):
            request_run(
                revision.draft.example,
                revision.code,
                draft=revision.draft,
                device=device,
                priority=Priority.BATCH,
                by=by,
            )
    return {revision.pk: there[keys[revision.pk]].pk for revision in revisions}


def _in_turns(keys: Iterable[_Key]) -> list[_Key]:
    """One run of each example, then the next of each.

    Two workers at one example record the same reference and compile the same code, both of them.
    """
    turns, seen = {}, Counter[int]()
    for key in keys:
        turns[key] = seen[key.example_id]
        seen[key.example_id] += 1
    return sorted(turns, key=lambda key: turns[key])


def _needs_a_look(run: Run, is_head: bool) -> bool:
    """Whether `request_run` would do more than find the run."""
    if run.state != RunState.FINISHED:
        return run.state == RunState.CANCELLED
    # A verdict concerns a draft whose newest revision it is of.
    return is_head or run.verdict.reason == Reason.INFRASTRUCTURE


def _keys(revisions: Sequence[Revision]) -> dict[int, _Key]:
    """The key of each revision's run, by the revision's id."""
    runtime = runtime_or_default(None)
    packages = runtime_hash(runtime)
    examples = {revision.draft.example_id: revision.draft.example for revision in revisions}
    prefetch_related_objects(list(examples.values()), "attachments")
    contracts = {pk: hash_of(example) for pk, example in examples.items()}
    return {
        revision.pk: _Key(pk, revision.sha256, contracts[pk], runtime, packages)
        for revision in revisions
        for pk in (revision.draft.example_id,)
    }


def _runs_with(keys: Collection[_Key]) -> dict[_Key, Run]:
    """The runs that there are, without their code."""
    runs = Run.objects.filter(
        example__in={key.example_id for key in keys}, code_hash__in={key.code_hash for key in keys}
    )
    shown = runs.select_related("verdict").defer("code", "verdict__report")
    found = {_Key(*(getattr(run, name) for name in _Key._fields)): run for run in shown}
    return {key: run for key, run in found.items() if key in keys}


def _heads(revisions: Sequence[Revision]) -> set[int]:
    """The ids of those that are the newest of their draft."""
    newest = Revision.objects.filter(draft__in={revision.draft_id for revision in revisions})
    last = newest.order_by("draft_id", "-number").distinct("draft_id")
    return set(last.values_list("pk", flat=True))


def stop(run_ids: Sequence[int]) -> int:
    """Take those back that no worker has and no person waits for; returns how many."""
    queued = Run.objects.filter(pk__in=run_ids, state=RunState.QUEUED, priority=Priority.BATCH)
    return queued.update(state=RunState.CANCELLED, finished_at=timezone.now())


def wait_for(run_ids: Sequence[int], poll_seconds: float = 0.3) -> Iterator[tuple[int, int]]:
    """Yield (over, total) whenever it changes, until every run is over."""
    ids, last = set(run_ids), -1
    while True:
        over = Run.objects.filter(pk__in=ids, state__in=OVER).count()
        if over != last:
            yield over, len(ids)
            last = over
        if over == len(ids):
            return
        time.sleep(poll_seconds)
