"""Compiled programs kept per scope, on the host, out of the box's reach.

A job gets a copy of its scope's files and hands new ones back; it never writes to the host, never
sees another scope, and cannot change an entry that is already there.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from executor.runtimes import PROJECT

SCOPE_MB = 64


def folder() -> Path:
    """T2J_COMPILE_CACHE, or `compile-cache` in the data folder."""
    if chosen := os.environ.get("T2J_COMPILE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("T2J_DATA") or PROJECT / ".t2j") / "compile-cache"


def read(runtime: str, scope: str) -> dict[str, bytes]:
    """All entries of one scope, by file name."""
    entries = {}
    for path in _scope(runtime, scope).glob("*"):
        with contextlib.suppress(OSError):
            entries[path.name] = path.read_bytes()
    return entries


def add(runtime: str, scope: str, entries: Mapping[str, bytes]) -> None:
    """Keeps new entries; the oldest go when the scope holds more than SCOPE_MB."""
    if not entries:
        return
    place = _scope(runtime, scope)
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    for name, data in entries.items():
        if not (place / name).exists():
            _write(place, name, data)
    _shrink(place)


def _scope(runtime: str, scope: str) -> Path:
    return folder() / hashlib.sha256(f"{runtime}\0{scope}".encode()).hexdigest()[:32]


def _write(place: Path, name: str, data: bytes) -> None:
    # Written aside and renamed: a reader beside us never sees half an entry.
    with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
        file.write(data)
    Path(file.name).rename(place / name)


def _shrink(place: Path) -> None:
    held = [(path.stat().st_mtime_ns, path.stat().st_size, path) for path in place.glob("*")]
    total = sum(size for _, size, _ in held)
    for _, size, path in sorted(held):
        if total <= SCOPE_MB << 20:
            return
        path.unlink(missing_ok=True)
        total -= size
