"""Runs that nobody works on any more, and those that no message tells a worker about."""

import socket
from collections.abc import Collection
from datetime import timedelta

import psutil
from django.db.models import Q
from django.utils import timezone

from executor.enums import RunState
from executor.models import Run
from executor.pipeline import MAX_ATTEMPTS, broken, requeue, store
from executor.watch import HEARTBEAT

# A worker that missed this many heartbeats is taken for dead.
LOST_AFTER = HEARTBEAT * 6
# How long a message may be under way before its absence at the broker means that it is lost.
UNDER_WAY = timedelta(seconds=10)
MOST_AT_ONCE = 1000


def take_back_lost() -> None:
    """Runs whose worker is gone are queued again.

    A run whose workers died MAX_ATTEMPTS times ends undecided: it is likely what kills them.
    """
    for run in Run.objects.filter(state=RunState.RUNNING):
        if not is_lost(run):
            continue
        if run.attempts >= MAX_ATTEMPTS:
            store(run, broken(run, f"The worker was lost {run.attempts} times while it ran this."))
        else:
            requeue(run, note=f"Its worker {run.worker} was lost; queued again.")


def is_lost(run: Run) -> bool:
    """Whether a running run's worker is gone: its process, if it was here, or its heartbeat."""
    assert run.heartbeat_at is not None and run.started_at is not None
    host, _, pid = run.worker.rpartition(":")
    if host == socket.gethostname():
        try:
            process = psutil.Process(int(pid))
            # In a container whose first process reaps nobody, a killed worker stays a zombie.
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            if process.create_time() > run.started_at.timestamp() + 1:  # another's number now
                return True
        except psutil.NoSuchProcess:
            return True
    return run.heartbeat_at < timezone.now() - LOST_AFTER


def take_unsent(idle_queues: Collection[str]) -> list[Run]:
    """Queued runs to be sent now, marked as sent: new or due ones, and lost messages.

    `idle_queues` have no message waiting at the broker: what is queued for them was forgotten.
    """
    now = timezone.now()
    # A new run is sent by whoever asked for it, as soon as its transaction is stored.
    asked = Q(queued_at__gt=now - UNDER_WAY, attempts=0)
    never = Q(sent_at__isnull=True) & ~asked
    forgotten = Q(sent_at__lt=now - UNDER_WAY, device__in=list(idle_queues))
    due = Q(due_at__lt=now)
    waiting = Run.objects.filter(state=RunState.QUEUED).exclude(due_at__gt=now)
    taken = []
    for run in waiting.filter(never | forgotten | due).order_by("priority", "queued_at")[
        :MOST_AT_ONCE
    ]:
        mine = Run.objects.filter(pk=run.pk, state=RunState.QUEUED, sent_at=run.sent_at)
        if mine.filter(due_at=run.due_at).update(sent_at=now, due_at=None):
            taken.append(run)
    return taken
