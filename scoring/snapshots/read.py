"""Take a snapshot in: all of it into a new or empty dataset, or nothing.

Hashes show damage, not forgery: a snapshot's verdicts and names are as good as who made it.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zlib import error as ZlibError  # noqa: N812

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import DataError, IntegrityError, transaction

from curation.importers.snapshots import (
    FORMAT,
    Progress,
    Restored,
    SnapshotRefused,
    manifest_of,
)
from curation.models import Dataset
from curation.services.audit import Actor
from scoring.exporters.base import Tally
from scoring.models import ExportJob, Release
from scoring.snapshots.fields import DATASET, EXAMPLES, FORMAT_VERSION, MANIFEST, TAXONOMY
from scoring.snapshots.restore import Restore
from scoring.snapshots.write import snapshot_files

PIECE = 1 << 20


def restore_snapshot(
    file: Path | IO[bytes],
    slug: str,
    by: Actor = None,
    dry_run: bool = False,
    *,
    uploaded: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Make the dataset `slug` what the snapshot holds.

    Raises:
        SnapshotRefused: it is broken, the dataset holds something else already, or it is
            `uploaded` by someone who may not vouch for it.
    """
    _check_slug(slug)
    if uploaded:
        _check_origin(file, by)
    with _opened(file) as archive:
        manifest = _checked(archive)
        dataset = Dataset.objects.filter(slug=slug).first()
        if dataset is not None and dataset.examples.exists():
            return _compared(dataset, manifest)
        try:
            with transaction.atomic():
                restored = Restore(archive, manifest, slug, by, dry_run, progress).all()
                if dry_run:
                    transaction.set_rollback(True)
        except (DataError, IntegrityError) as error:
            said = (str(error).splitlines() or [""])[0][:300]
            raise SnapshotRefused(f"The database refused the snapshot: {said}") from None
    return restored


@contextmanager
def _opened(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever its bytes make zipfile raise is a refusal."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except OSError as error:
        raise SnapshotRefused(f"The file cannot be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError) as error:
        raise SnapshotRefused(f"The zip file is broken: {error}.") from None


def _check_slug(slug: str) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise SnapshotRefused(f"“{slug}” cannot name a dataset.") from None
    if len(slug) > 64:
        raise SnapshotRefused(f"“{slug}” is longer than 64 letters.")


def _check_origin(file: Path | IO[bytes], by: Actor) -> None:
    """Names and verdicts in a snapshot are taken as they stand: not from just anyone.

    Raises:
        SnapshotRefused: this studio did not make it, and `by` does not administer the studio.
    """
    if by is not None and by.is_superuser:
        return
    digest = _digest(file)
    exports = ExportJob.objects.filter(format="snapshot", sha256=digest)
    if not exports.exists() and not Release.objects.filter(sha256=digest).exists():
        raise SnapshotRefused(
            "This studio did not make this snapshot, so the names and verdicts in it are only as "
            "good as who did. Someone who administers the studio can bring it in."
        )


def _digest(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return found


def _checked(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest, once every file was held against it.

    Raises:
        SnapshotRefused: a file is missing, too many, or not what the manifest says.
    """
    manifest = manifest_of(archive)
    version = str(manifest.get("format_version"))
    if manifest.get("format") != FORMAT:
        raise SnapshotRefused("This zip file is no snapshot of a dataset.")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise SnapshotRefused(
            f"The snapshot's format is {version}; this studio reads {FORMAT_VERSION}. "
            "Use a studio of its time, or a newer one."
        )
    files = manifest.get("files")
    names = [name for name in archive.namelist() if name != MANIFEST]
    if not isinstance(files, dict) or sorted(names) != sorted(files):
        raise SnapshotRefused("Its manifest does not name exactly the files that are in it.")
    if missing := {DATASET, TAXONOMY, EXAMPLES} - files.keys():
        raise SnapshotRefused(f"{sorted(missing)[0]} is missing.")
    for name, told in files.items():
        _check_file(archive, name, told)
    return manifest


def _check_file(archive: zipfile.ZipFile, name: str, told: Any) -> None:
    size = told.get("bytes") if isinstance(told, dict) else None
    digest, seen = hashlib.sha256(), 0
    with archive.open(name) as member:
        while piece := member.read(PIECE):
            digest.update(piece)
            seen += len(piece)
            if not isinstance(size, int) or seen > size:
                break
    if seen != size or digest.hexdigest() != told.get("sha256"):
        raise SnapshotRefused(f"{name} is not what the manifest says: it was changed or damaged.")


def _compared(dataset: Dataset, manifest: dict[str, Any]) -> Restored:
    tally = Tally()
    if snapshot_files(dataset, tally, str(manifest.get("dataset"))) == manifest["files"]:
        return Restored(dataset.slug, tally.examples, tally.steps, same=True)
    raise SnapshotRefused(
        f"Dataset {dataset.slug} holds other examples already. A snapshot goes into a new or "
        "empty dataset: choose another one."
    )
