"""The machines' door: claim a run, execute it, store its one verdict."""

import logging
import os
import socket
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from curation.models import Draft, Revision
from curation.services.drafts import note_verdict
from executor import sandbox
from executor.contracts import contract_of, files_of
from executor.enums import RunState
from executor.models import Run, Verdict
from executor.parity import engine
from executor.parity.cache import DiskCache
from executor.parity.outcome import Outcome, Reason, undecided
from executor.parity.outcome import Verdict as ParityVerdict
from executor.patience import patiently
from executor.watch import Watch, watched

logger = logging.getLogger(__name__)

# Attempts lost to our own machinery: dead workers, boxes that broke.
MAX_ATTEMPTS = 3
# Waited before the second attempt; each further one waits four times as long.
BACKOFF = timedelta(seconds=2)


def warm_up() -> None:
    """Have both sides' interpreters ready before the first person waits for one."""
    try:
        sandbox.prepare("torch", str(settings.T2J_DEFAULT_RUNTIME))
    except sandbox.SandboxUnavailable as error:
        logger.warning("no warm start: %s", error)


def execute(run_id: int) -> None:
    """Verify one run, unless another worker has it or it is over."""
    run = patiently(partial(claim, run_id))
    if run is None:
        return
    with watched(run) as watch:
        verdict = _verify(run, watch)
    if verdict is None:
        logger.info("run %s: stopped, nobody waits for it", run.pk)
    elif verdict.reason != Reason.INFRASTRUCTURE or run.attempts >= MAX_ATTEMPTS:
        patiently(partial(store, run, verdict))
    else:
        patiently(partial(_try_later, run, verdict.message))


def claim(run_id: int) -> Run | None:
    """Take a queued run for this process; None when it is not to be had.

    The conditional update is what keeps two deliveries of one task from running it twice.
    """
    token, now = uuid4(), timezone.now()
    claimed = (
        Run.objects.filter(pk=run_id, state=RunState.QUEUED)
        .exclude(due_at__gt=now)
        .update(
            state=RunState.RUNNING,
            claim=token,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            attempts=F("attempts") + 1,
            part="",
            due_at=None,
            started_at=now,
            heartbeat_at=now,
        )
    )
    if not claimed:
        return None
    return Run.objects.select_related("example__dataset").get(pk=run_id, claim=token)


def _verify(run: Run, watch: Watch) -> ParityVerdict | None:
    """The engine's verdict, `undecided: infrastructure` where our side broke, None if stopped."""
    example = run.example
    try:
        return engine.verify(
            example.pytorch_code,
            run.code,
            contract=contract_of(example),
            files=files_of(example),
            runtime=run.runtime,
            cache=DiskCache(settings.T2J_REFERENCE_CACHE),
            runner=watch.runner,
        )
    except sandbox.Stopped:
        return None
    except sandbox.SandboxUnavailable as error:
        return broken(run, str(error))
    except Exception as error:  # our bug must end as a verdict, never as a run that hangs
        logger.exception("run %s: the verifier broke", run.pk)
        return broken(run, f"The verifier itself broke ({type(error).__name__}): {error}")


def broken(run: Run, message: str) -> ParityVerdict:
    """The verdict of a run that our own machinery could not finish."""
    return undecided(Reason.INFRASTRUCTURE, message, runtime={"name": run.runtime})


def _try_later(run: Run, message: str) -> None:
    pause = BACKOFF * 4 ** (run.attempts - 1)
    note = f"Attempt {run.attempts} of {MAX_ATTEMPTS} broke: {message}"
    logger.warning("run %s: %s; again in %s", run.pk, note, pause)
    requeue(run, note=note[:500], due_at=timezone.now() + pause)


@transaction.atomic
def store(run: Run, verdict: ParityVerdict) -> bool:
    """Finish the run with its verdict; False when the run was cancelled or taken over."""
    finished = Run.objects.filter(pk=run.pk, state=RunState.RUNNING, claim=run.claim).update(
        state=RunState.FINISHED, finished_at=timezone.now(), note=""
    )
    if not finished:
        logger.info("run %s: result dropped, the run is no longer ours", run.pk)
        return False
    stored = Verdict.objects.create(
        run=run,
        outcome=verdict.outcome,
        stage=verdict.stage or "",
        kind=verdict.kind or "",
        reason=verdict.reason or "",
        message=verdict.message,
        strength=None if verdict.strength is None else verdict.strength.share,
        seconds=verdict.seconds,
        isolation=verdict.isolation,
        report=verdict.to_json(),
    )
    tell_drafts(run, stored)
    return True


def tell_drafts(run: Run, verdict: Verdict) -> None:
    """Drafts whose newest revision is this code become verified, or fall back to repairing."""
    passed, judged = verdict.outcome == Outcome.PASS, verdict.short
    for draft in drafts_with(run):
        note_verdict(draft, code_hash=run.code_hash, passed=passed, judged=judged)


def drafts_with(run: Run) -> QuerySet[Draft]:
    """The drafts that hold this code, as whichever revision."""
    held = Revision.objects.filter(draft__example=run.example_id, sha256=run.code_hash)
    return Draft.objects.filter(pk__in=held.values("draft")).order_by("pk")


def requeue(run: Run, *, note: str, due_at: datetime | None = None) -> bool:
    """Put a run back in the queue; False when it moved on since `run` was read."""
    return bool(
        Run.objects.filter(pk=run.pk, state=run.state, claim=run.claim).update(
            state=RunState.QUEUED,
            claim=None,
            worker="",
            queued_at=timezone.now(),
            sent_at=None,
            due_at=due_at,
            finished_at=None,
            note=note,
        )
    )
