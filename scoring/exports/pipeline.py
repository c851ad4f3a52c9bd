"""The machines' door to exports: claim one, make its file, store it once."""

import logging
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from curation.enums import WebhookEvent
from curation.services.audit import record
from curation.services.webhooks import announce
from scoring.enums import ExportState
from scoring.exporters import Export, ExportRefused, Options, Tally, make
from scoring.exports import files
from scoring.models import ExportJob, Release

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
HEARTBEAT = timedelta(seconds=1)
# A worker that said nothing for so long is taken for dead.
LOST_AFTER = timedelta(seconds=30)
# How long a message may be under way before it is sent again.
UNDER_WAY = timedelta(seconds=20)


class Superseded(Exception):
    """Another worker has the job, or nobody wants it any more."""


def execute(job_id: int) -> None:
    """Make one export, unless another worker has it or it is over."""
    job = claim(job_id)
    if job is None:
        return
    try:
        with _alive(job) as watch:
            _make(job, watch)
    except Superseded:
        logger.info("export %s: stopped, it is no longer ours", job.pk)
    except ExportRefused as refused:
        fail(job, str(refused))
    except OSError as error:
        fail(job, f"The file could not be written: {error.strerror or error}. Then ask again.")
    except (DatabaseError, InterfaceError):
        # Its heart stops: when the database is back it is queued again.
        logger.exception("export %s: the database is away", job.pk)
        connection.close()
    except Exception as error:  # our bug must end as a sentence, never as a job that hangs
        logger.exception("export %s: the exporter broke", job.pk)
        fail(job, f"The exporter itself broke ({type(error).__name__}): {error}")


def claim(job_id: int) -> ExportJob | None:
    """Take a waiting job for this process; None when it is not to be had."""
    token, now = uuid4(), timezone.now()
    claimed = ExportJob.objects.filter(pk=job_id, state=ExportState.QUEUED).update(
        state=ExportState.RUNNING,
        claim=token,
        worker=f"{socket.gethostname()}:{os.getpid()}",
        attempts=F("attempts") + 1,
        done=0,
        written=0,
        heartbeat_at=now,
    )
    if not claimed:
        return None
    jobs = ExportJob.objects.select_related("dataset", "requested_by")
    return jobs.filter(pk=job_id, claim=token).first()


@dataclass(slots=True)
class Watch:
    """How far a job is, said every second by a thread with a connection of its own."""

    job: ExportJob
    tally: Tally = field(default_factory=Tally)
    written: int = 0
    lost: bool = False

    def told(self, size: int) -> None:
        if self.lost:
            raise Superseded
        self.written += size

    def beat(self, over: threading.Event) -> None:
        while not over.wait(HEARTBEAT.total_seconds()):
            try:
                self.lost = not self._say()
            except (DatabaseError, InterfaceError):  # it restarts; a later beat finds it again
                connection.close()
            if self.lost:
                break
        connection.close()

    def _say(self) -> int:
        return ours(self.job).update(
            done=min(self.looked_at, self.job.total),
            written=self.written,
            heartbeat_at=timezone.now(),
        )

    @property
    def looked_at(self) -> int:
        return self.tally.examples + sum(self.tally.left_out.values())


def ours(job: ExportJob) -> QuerySet[ExportJob]:
    """The row, as long as this attempt may write to it."""
    return ExportJob.objects.filter(pk=job.pk, state=ExportState.RUNNING, claim=job.claim)


@contextmanager
def _alive(job: ExportJob) -> Iterator[Watch]:
    watch, over = Watch(job), threading.Event()
    thread = threading.Thread(target=watch.beat, args=(over,), name=f"export-{job.pk}", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


@contextmanager
def one_moment() -> Iterator[None]:
    """All reads within it see the database at one moment, whatever people save meanwhile."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _make(job: ExportJob, watch: Watch) -> None:
    _clear_up(job)
    with one_moment():
        total = job.dataset.examples.count()
    ours(job).update(total=total)
    job.total = total
    with one_moment():
        export = make(job.format, job.dataset, Options.of(job.options))
        watch.tally = export.tally
        stored, digest = _write(job, export, watch)
    if not store(job, export.tally, stored, digest):
        files.remove(stored)


def _write(job: ExportJob, export: Export, watch: Watch) -> tuple[str, str]:
    stem = f"{job.dataset.slug}-{job.version or job.format}"
    file = files.as_one(export, stem)
    name = f"{stem}.zip" if job.version else file.name
    # A folder for each attempt: a late one never writes where the next one does.
    assert job.claim is not None
    stored = f"{job.pk}-{job.claim.hex[:12]}/{name}"
    return stored, files.save(file, files.path_of(stored), watch.told)


def _clear_up(job: ExportJob) -> None:
    """What earlier attempts left behind when they were killed."""
    for old in files.folder().glob(f"{job.pk}-*"):
        shutil.rmtree(old, ignore_errors=True)


@transaction.atomic
def store(job: ExportJob, tally: Tally, stored: str, digest: str) -> bool:
    """Finish the job with its file, and make its release; False when it is no longer ours."""
    path = files.path_of(stored)
    finished = ours(job).update(
        state=ExportState.FINISHED,
        done=job.total,
        written=path.stat().st_size,
        tally=tally.to_json() | {"lines": tally.lines()},
        path=stored,
        sha256=digest,
        error="",
        finished_at=timezone.now(),
    )
    if finished and job.version:
        _release(job, tally, path, stored, digest)
    return bool(finished)


def _release(job: ExportJob, tally: Tally, path: Path, stored: str, digest: str) -> None:
    release = Release.objects.create(
        dataset=job.dataset,
        version=job.version,
        changelog=job.changelog,
        job=job,
        path=stored,
        sha256=digest,
        size=path.stat().st_size,
        files=files.files_in(path),
        examples=tally.examples,
        steps=tally.steps,
        created_by=job.requested_by,
    )
    record(
        "release.made",
        release,
        dataset=job.dataset,
        by=job.requested_by,
        version=job.version,
        sha256=digest,
    )
    announce(
        WebhookEvent.RELEASED,
        job.dataset,
        by=job.requested_by,
        release=release.pk,
        version=job.version,
        changelog=job.changelog,
        sha256=digest,
        examples=tally.examples,
        steps=tally.steps,
    )


def fail(job: ExportJob, why: str) -> None:
    ours(job).update(state=ExportState.FAILED, error=why, finished_at=timezone.now(), claim=None)


def take_back_lost() -> None:
    """Jobs whose worker is gone wait again; one that workers died of three times ends."""
    lost = ExportJob.objects.filter(
        state=ExportState.RUNNING, heartbeat_at__lt=timezone.now() - LOST_AFTER
    )
    for job in lost:
        if job.attempts >= MAX_ATTEMPTS:
            fail(job, f"Its worker was lost {job.attempts} times. Look at the log, then ask again.")
        else:
            ours(job).filter(heartbeat_at=job.heartbeat_at).update(
                state=ExportState.QUEUED, claim=None, sent_at=None
            )


def take_unsent() -> list[int]:
    """Waiting jobs to be sent to workers now: no message of theirs is under way any more."""
    before = timezone.now() - UNDER_WAY
    waiting = ExportJob.objects.filter(state=ExportState.QUEUED).filter(
        Q(sent_at__lt=before) | Q(sent_at__isnull=True, created_at__lt=before) | Q(attempts__gt=0)
    )
    taken = []
    for job in waiting.exclude(sent_at__gte=before):
        mine = ExportJob.objects.filter(pk=job.pk, state=ExportState.QUEUED, sent_at=job.sent_at)
        if mine.update(sent_at=timezone.now()):
            taken.append(job.pk)
    return taken
