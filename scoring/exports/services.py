"""The door for people's wishes about exports and releases."""

import re
from functools import partial

from django.conf import settings
from django.db import transaction

from curation.enums import MemberRole
from curation.importers.snapshots import Restored
from curation.models import AuditEvent, Dataset
from curation.permissions import access_to
from curation.services.audit import Actor, record
from curation.services.members import set_role
from scoring.enums import ExportState
from scoring.exporters import FORMATS, ExportRefused, Options
from scoring.exporters.base import check
from scoring.exports import files
from scoring.models import ExportJob, Release
from scoring.snapshots.read import restore_snapshot
from scoring.tasks import send_export

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_TAGS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_TAGS})?(?:\+{_TAGS})?")
# What one person may have waiting at a time in a dataset.
MOST_WAITING = 10


@transaction.atomic
def request_export(dataset: Dataset, *, format: str, options: Options, by: Actor) -> ExportJob:
    """An export that a worker makes; one that waits already for the same is that one.

    Raises:
        ExportRefused: the format is not made that way, or too many wait already.
    """
    if format not in FORMATS:
        raise ExportRefused(f"There is no export format {format}. Formats: {', '.join(FORMATS)}.")
    check(FORMATS[format], options)
    # Two clicks at once: the second waits here and finds the first one's job.
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    waiting = ExportJob.objects.filter(dataset=dataset, state=ExportState.QUEUED)
    same = waiting.filter(format=format, options=options.to_json(), version="").first()
    if same is not None:
        return same
    if waiting.filter(requested_by=by).count() >= MOST_WAITING:
        raise ExportRefused(
            f"{MOST_WAITING} exports of yours wait already. Ask again when some are ready."
        )
    return _queued(ExportJob(dataset=dataset, format=format, options=options.to_json()), by)


@transaction.atomic
def request_release(dataset: Dataset, *, version: str, changelog: str, by: Actor) -> ExportJob:
    """A release that a worker makes: the dataset as it is then, kept for good.

    Raises:
        ExportRefused: the version is none, or taken.
    """
    version = version.strip()
    if len(version) > 64 or not SEMVER.fullmatch(version):
        raise ExportRefused(
            f"“{version[:70]}” is no semantic version: write three numbers, such as 1.0.0."
        )
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    under_way = ExportJob.objects.filter(dataset=dataset, version=version).exclude(
        state=ExportState.FAILED
    )
    if dataset.releases.filter(version=version).exists() or under_way.exists():
        raise ExportRefused(f"There is a release {version} already: choose a higher version.")
    job = ExportJob(dataset=dataset, format="snapshot", version=version, changelog=changelog)
    return _queued(job, by)


def _queued(job: ExportJob, by: Actor) -> ExportJob:
    job.requested_by = by
    job.total = job.dataset.examples.count()
    job.save()
    told = {"format": job.format, "options": job.options, "version": job.version}
    record("export.requested", job, dataset=job.dataset, by=by, **told)
    transaction.on_commit(partial(send_export, job.pk))
    return job


@transaction.atomic
def delete_export(job: ExportJob, *, by: Actor) -> None:
    """Take an export and its file away; one under way stops.

    Raises:
        ExportRefused: a release is made of it.
    """
    job = ExportJob.objects.select_for_update().select_related("dataset").get(pk=job.pk)
    if Release.objects.filter(job=job).exists():
        raise ExportRefused("A release is kept for good: its file stays.")
    record("export.deleted", job, dataset=job.dataset, by=by, format=job.format)
    stored = job.path
    job.delete()
    if stored:
        transaction.on_commit(partial(files.remove, stored))


def base_dataset(release: Release, *, by: Actor) -> Dataset:
    """The release as a dataset of its own, on which experiments can be made: restored once.

    Raises:
        ExportRefused: it is too large to be restored while a page waits.
        SnapshotRefused: the file is broken, or the name is taken by something else.
    """
    if (there := _restored(release)) is not None:
        if by is not None and not access_to(by, there).may_lead:
            set_role(there, by, MemberRole.LEAD, by=None)
        return there
    if release.size > settings.T2J_IMPORT_BYTES:
        raise ExportRefused(
            f"The release is large: restore it with ./t2j manage import_dataset FILE --dataset "
            f"{base_slug(release)}, then make the experiment there."
        )
    with transaction.atomic():
        restored: Restored = restore_snapshot(files.path_of(release.path), base_slug(release), by)
        dataset = Dataset.objects.get(slug=restored.dataset)
        Dataset.objects.filter(pk=dataset.pk).update(
            title=f"{release.dataset.title} {release.version}"[:200]
        )
        record("release.base", release, dataset=dataset, by=by, version=release.version)
    return dataset


def base_slug(release: Release) -> str:
    """The short name of the dataset that a release is restored to."""
    version = re.sub(r"[^0-9A-Za-z]+", "-", release.version)
    return f"{release.dataset.slug[: 62 - len(version)]}-v{version}"[:64]


def _restored(release: Release) -> Dataset | None:
    events = AuditEvent.objects.filter(
        action="release.base", target_id=str(release.pk), dataset__isnull=False
    )
    event = events.select_related("dataset").first()
    return event.dataset if event else None
