"""The door for people's (and batches') wishes: run this code, cancel that run."""

from django.db import transaction
from django.utils import timezone

from curation.models import Draft, Example
from curation.models.base import sha256
from curation.services.audit import Actor, record
from executor import pipeline, queries, standing
from executor.contracts import device_of
from executor.enums import Device, Priority, RunState
from executor.models import Run, Verdict
from executor.parity.outcome import Reason
from executor.tasks import enqueue


@transaction.atomic
def request_run(
    example: Example,
    code: str,
    *,
    draft: Draft | None = None,
    runtime: str | None = None,
    device: str | None = None,
    priority: int = Priority.PERSON,
    by: Actor,
) -> Run:
    """The run that decides about `code`: the stored one when its verdict is known, else a new one.

    A cancelled run is queued again, and so is one whose verdict says that our own machinery
    broke; a queued one moves up when a person waits for it.
    """
    run, created = Run.objects.get_or_create(
        **queries.run_key(example, sha256(code), runtime),
        defaults={
            "code": code,
            "draft": draft,
            "device": device or device_of(example),
            "priority": priority,
            "requested_by": by,
        },
    )
    again = not created and _decided_nothing(run) and pipeline.requeue(run, note="")
    if again:
        Verdict.objects.filter(run=run).delete()
        standing.refresh(pipeline.drafts_with(run))
        Run.objects.filter(pk=run.pk).update(attempts=0, priority=priority)
    # A second message at the better priority; whoever claims first runs it.
    moved_up = run.state == RunState.QUEUED and priority < run.priority
    if moved_up:
        Run.objects.filter(pk=run.pk, state=RunState.QUEUED).update(priority=priority)
    if again or moved_up:
        run = Run.objects.get(pk=run.pk)
    if created or again or moved_up:
        enqueue(run)
    elif run.state == RunState.FINISHED:
        # A revision saved after its code was run has its verdict already.
        pipeline.tell_drafts(run, Verdict.objects.get(run=run))
    return run


def _decided_nothing(run: Run) -> bool:
    """Whether the run is over without a word about its code."""
    if run.state == RunState.CANCELLED:
        return True
    broken = Verdict.objects.filter(run=run, reason=Reason.INFRASTRUCTURE)
    return run.state == RunState.FINISHED and broken.exists()


@transaction.atomic
def cancel_run(run: Run, *, by: Actor) -> bool:
    """End a run; False when it was over already. Its worker kills its boxes within a second."""
    cancelled = (
        Run.objects.filter(pk=run.pk)
        .exclude(state__in=[RunState.FINISHED, RunState.CANCELLED])
        .update(state=RunState.CANCELLED, claim=None, finished_at=timezone.now())
    )
    if cancelled:
        record("run.cancelled", run, dataset=run.example.dataset, by=by)
    return bool(cancelled)


@transaction.atomic
def send_to_cpu(run: Run, *, by: Actor) -> bool:
    """Have a run that waits for a GPU worker done on CPU; False when it does not wait for one."""
    waiting = Run.objects.filter(pk=run.pk, state=RunState.QUEUED, device=Device.GPU)
    moved = waiting.update(device=Device.CPU, sent_at=None)
    if moved:
        record("run.sent_to_cpu", run, dataset=run.example.dataset, by=by)
        enqueue(Run.objects.get(pk=run.pk))
    return bool(moved)
