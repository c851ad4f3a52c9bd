"""Recorded runs of references, kept by content, so that a fix step never runs them again."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Protocol

HARNESS = Path(__file__).parents[1] / "harness"
KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")


@lru_cache(maxsize=1)
def harness_version() -> str:
    """The hash of the code that runs in the boxes: part of what every recorded run depends on."""
    digest = hashlib.sha256()
    for path in sorted(HARNESS.rglob("*.py")):
        digest.update(str(path.relative_to(HARNESS)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class ReferenceCache(Protocol):
    """Keeps bytes by key. A key names the content, so that what is kept never grows stale."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, data: bytes) -> None: ...


class DiskCache:
    """A folder with one file per key. Several processes may share it.

    Past `max_mb` the files used longest ago are removed.
    """

    def __init__(self, folder: Path, max_mb: int = 4096) -> None:
        self.folder = folder
        self.max_bytes = max_mb * 1024 * 1024
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep the bytes, whole or not at all. A full disk keeps nothing and raises nothing."""
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as draft:
                draft.write(data)
            Path(draft.name).replace(self._path(key))
        except OSError:
            return
        self._trim()

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a cache key.")
        return self.folder / f"{key}.run"

    def _trim(self) -> None:
        kept = []
        for path in self.folder.glob("*.run"):
            try:
                status = path.stat()
            except OSError:
                continue
            kept.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
