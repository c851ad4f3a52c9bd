"""Where files of exports lie, and what is downloaded of one."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from curation.importers.snapshots import manifest_of
from scoring.exporters import Export, ExportFile, zips

PIECE = 1 << 18


def folder() -> Path:
    """Web servers and workers share it."""
    return Path(settings.T2J_DATA) / "exports"


def path_of(stored: str) -> Path:
    """The file that a row names."""
    return folder() / stored


def as_one(export: Export, stem: str) -> ExportFile:
    """What a person downloads: the file itself where there is only one, else a zip of all."""
    if len(export.files) == 1 and not export.about:
        return export.files[0]

    def read() -> Iterator[bytes]:
        return zips.stream((file.name, file.read()) for file in export.whole())

    return ExportFile(f"{stem}.zip", "application/zip", read)


def save(file: ExportFile, path: Path, told: Callable[[int], None]) -> str:
    """Write the file whole or not at all, for reading only; returns its SHA-256.

    `told` is called with the length of each piece, and stops the writing by raising.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, digest = path.with_name(f"{path.name}.partial"), hashlib.sha256()
    try:
        with partial.open("wb") as out:
            for piece in file.read():
                out.write(piece)
                digest.update(piece)
                told(len(piece))
            out.flush()
            os.fsync(out.fileno())
        partial.chmod(0o444)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return digest.hexdigest()


def files_in(path: Path) -> dict[str, Any]:
    """Hash and size of every file in a snapshot, its manifest's included."""
    with zipfile.ZipFile(path) as archive:
        manifest = manifest_of(archive)
        raw = archive.read("manifest.json")
    own = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    found: dict[str, Any] = json.loads(json.dumps(manifest["files"]))
    return found | {"manifest.json": own}


def remove(stored: str) -> None:
    """Take a file and its folder away; one that is gone already is no matter."""
    path = path_of(stored)
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()
