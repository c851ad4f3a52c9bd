"""Imports from the browser: files are kept, looked through or imported, and what was taken is run.

Small ones are done while the person waits, long ones by a worker.
"""

import contextlib
import logging
import shutil
import threading
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from curation.importers import snapshots
from curation.importers.base import Options
from curation.importers.source import FileTree, Source, TreeSource, printable, unpacked
from curation.models import Dataset
from curation.services.audit import Actor
from curation.services.imports import import_files
from executor.batch import each_revision_of, request_runs
from executor.enums import Device
from executor.models import ImportJob
from executor.tasks import run_import

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

    Upload = UploadedFile[bytes]

logger = logging.getLogger(__name__)

S = ImportJob.State
# Up to this many bytes an import takes seconds.
SMALL_BYTES = 2 * 1024 * 1024
KEPT = timedelta(days=1)
# An import that did nothing for so long has lost its worker.
LOST = timedelta(minutes=5)
# How often progress is written.
EVERY = timedelta(seconds=1)


def keep(
    dataset: Dataset,
    uploads: "Iterable[tuple[str, Upload]]",
    *,
    dry_run: bool,
    options: Options,
    by: Actor,
) -> ImportJob:
    """Store the files, under the names that the person gave them, for an import."""
    _throw_away_old()
    job = ImportJob(dataset=dataset, folder=uuid.uuid4(), dry_run=dry_run, created_by=by)
    folder = folder_of(job)
    folder.mkdir(parents=True, mode=0o700)
    for number, (name, upload) in enumerate(uploads):
        with (folder / str(number)).open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        called = _plain(name)
        job.names.append(called if called not in job.names else f"{number}/{called}")
        job.bytes += upload.size or 0
    job.options = {
        "sample": options.sample,
        "seed": options.seed,
        "any_licence": options.any_licence,
    }
    job.save()
    return job


def _plain(name: str) -> str:
    """A relative name with slashes that leads nowhere else."""
    parts = printable(name).replace("\0", "").replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "file"


def folder_of(job: ImportJob) -> Path:
    return Path(settings.T2J_DATA) / "imports" / str(job.folder)


def is_kept(job: ImportJob) -> bool:
    """Whether the files are still there to be imported."""
    return folder_of(job).is_dir()


def is_small(job: ImportJob) -> bool:
    # The text in a snapshot is some eight times as long as its zip.
    factor = 8 if _holds_snapshot(job) else 1
    return factor * job.bytes <= SMALL_BYTES


def is_lost(job: ImportJob) -> bool:
    """Whether it stopped in the middle: its worker ended."""
    since = job.alive_at or job.created_at
    return job.state in (S.RUNNING, S.WAITING) and timezone.now() - since > LOST


def send(job: ImportJob) -> bool:
    """Give the job to a worker; False while the queue does not answer, which the job then says."""
    try:
        run_import.apply_async((job.pk,), queue=Device.CPU.value, retry=False)
    except OperationalError:
        problem = "The queue does not answer. Start it again when the workers are back."
        _save(job.pk, state=S.FAILED, problem=problem)
        return False
    return True


def start(job: ImportJob) -> bool:
    """Make a job that was looked through, or that stopped, wait for its import; False: it runs."""
    startable = ImportJob.objects.filter(pk=job.pk)
    if not is_lost(job):
        startable = startable.filter(state__in=(S.FINISHED, S.FAILED))
    now = timezone.now()
    return bool(startable.update(state=S.WAITING, dry_run=False, problem="", alive_at=now))


def run(job_id: int) -> None:
    """Do what the job asks for, once: whoever turns it from waiting to running has it.

    What was imported before it broke off stays, and the same import goes on from there.
    """
    claimed = ImportJob.objects.filter(pk=job_id, state=S.WAITING)
    if not claimed.update(state=S.RUNNING, alive_at=timezone.now()):
        return
    job = ImportJob.objects.select_related("dataset", "created_by").get(pk=job_id)
    try:
        report = _restore(job) if _holds_snapshot(job) else _import(job)
    except (DatabaseError, OSError) as error:
        logger.exception("import %s broke off", job_id)
        problem = f"It broke off: {_first_line(error)}. What was imported until then is kept."
        _save(job_id, state=S.FAILED, problem=f"{problem} Start it again.")
        return
    _save(job_id, state=S.FINISHED, report=report)
    if not job.dry_run:
        shutil.rmtree(folder_of(job), ignore_errors=True)


def _import(job: ImportJob) -> dict[str, Any]:
    report = import_files(
        job.dataset,
        _sources(job),
        by=job.created_by,
        dry_run=job.dry_run,
        progress=_Saved(job.pk),
        options=Options(**job.options),
    )
    if not job.dry_run and (report.new or report.changed or report.drafts):
        request_runs(each_revision_of(job.dataset), by=job.created_by)
    return report.to_json() | {"explained": report.explained}


def _holds_snapshot(job: ImportJob) -> bool:
    return any(snapshots.recognises(path) for path in _paths(job))


def _restore(job: ImportJob) -> dict[str, Any]:
    """A snapshot is taken in whole or not at all; its verdicts come along, so nothing is run."""
    said = {"snapshot": True, "dry_run": job.dry_run}
    if len(job.names) > 1:
        return said | {
            "complete": False,
            "lines": ["A snapshot is a whole dataset: bring it alone."],
        }
    (path,) = _paths(job)
    try:
        with _Told(job) as told:
            restored = snapshots.restore(
                path,
                job.dataset.slug,
                by=job.created_by,
                dry_run=job.dry_run,
                uploaded=True,
                progress=told,
            )
    except snapshots.SnapshotRefused as refused:
        return said | {"complete": False, "lines": [str(refused)]}
    return said | {"complete": True, "lines": restored.lines(), "same": restored.same}


class _Told:
    """Progress of what is stored in one transaction, told from a thread with a connection of its
    own: nobody would see it before the end, and who waits would take the worker for lost.
    """

    def __init__(self, job: ImportJob) -> None:
        self._job, self._name, self._percent = job.pk, job.names[0], 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="import progress", daemon=True)

    def __call__(self, done: int, total: int) -> None:
        self._percent = 100 * min(done, total) // max(total, 1)

    def __enter__(self) -> "_Told":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        try:
            while not self._over.wait(EVERY.total_seconds()):
                with contextlib.suppress(DatabaseError):  # the next look comes all the same
                    _save(self._job, file=self._name, percent=self._percent)
        finally:
            connection.close()


def _sources(job: ImportJob) -> Iterable[Source]:
    """Every file, and what lies in zips. One file alone is what the person named."""
    tree = FileTree(dict(zip(job.names, _paths(job), strict=True)))
    for name in sorted(tree.names()):
        if name.endswith("-files.zip") and tree.has(name.removesuffix("-files.zip") + ".json"):
            continue
        yield from unpacked(TreeSource(tree, name, name, asked=_is_asked(job, name)))


def _paths(job: ImportJob) -> list[Path]:
    return [folder_of(job) / str(number) for number in range(len(job.names))]


def _is_asked(job: ImportJob, name: str) -> bool:
    return len(job.names) == 1 and "/" not in name


class _Saved:
    """Progress that a page can show, written at most once a second."""

    def __init__(self, job_id: int) -> None:
        self._job = job_id
        self._next = timezone.now()

    def __call__(self, file: str, done: int, total: int) -> None:
        now = timezone.now()
        if now >= self._next:
            self._next = now + EVERY
            percent = 100 * min(done, total) // max(total, 1)
            _save(self._job, file=file, percent=percent)


def _save(job_id: int, **fields: Any) -> None:
    ImportJob.objects.filter(pk=job_id).update(alive_at=timezone.now(), **fields)


def _throw_away_old() -> None:
    """Files that nobody imported within a day."""
    root = Path(settings.T2J_DATA) / "imports"
    kept = ImportJob.objects.filter(created_at__gt=timezone.now() - KEPT)
    wanted = {str(folder) for folder in kept.values_list("folder", flat=True)}
    for folder in root.iterdir() if root.is_dir() else ():
        age = timezone.now().timestamp() - folder.stat().st_mtime
        if folder.name not in wanted and age > KEPT.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
