"""Verify every revision of a dataset, and wait for it."""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby

from django.utils import timezone

from curation.models import Dataset, Revision
from curation.services.audit import Actor
from executor.enums import Priority, RunState
from executor.models import Run
from executor.queries import shown_runs
from executor.services import request_run

OVER = (RunState.FINISHED, RunState.CANCELLED)


def revisions_of(dataset: Dataset) -> list[Revision]:
    """Every revision of every draft of a dataset whose program can run at all."""
    return list(
        Revision.objects.filter(draft__example__dataset=dataset, draft__example__not_runnable="")
        .select_related("draft__example__dataset")
        .order_by("draft__example__position", "draft_id", "number")
    )


def stale_among(revisions: Sequence[Revision]) -> list[Revision]:
    """Those whose only verdicts are stale: what they rest on changed since."""
    found = []
    for _, group in groupby(revisions, key=lambda revision: revision.draft.example_id):
        of_example = list(group)
        runs = shown_runs(of_example)
        found += [r for r in of_example if r.pk in runs and runs[r.pk].stale]
    return found


def request_runs(
    revisions: Sequence[Revision], *, device: str | None = None, by: Actor
) -> dict[int, int]:
    """Ask for a run of each revision; what is verified already stays. Revision id -> run id.

    `device` is where new runs go instead of where their contracts say.
    """
    return {
        revision.pk: request_run(
            revision.draft.example,
            revision.code,
            draft=revision.draft,
            device=device,
            priority=Priority.BATCH,
            by=by,
        ).pk
        for revision in revisions
    }


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
