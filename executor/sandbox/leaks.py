"""What runs could leave in this process and on its host: counted, and compared."""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import compile_cache, groups

Snapshot = Mapping[str, float]
# Python's own allocator and the memory of a new zygote settle within this; a leak does not.
_MEMORY_SLACK_MB = 24.0
_SETTLE_S = 60.0
_ROOMS = ("torch", "jax")


def snapshot() -> dict[str, float]:
    """Counts, and MiB for memory and folders, of this process, its children and its host."""
    groups.sweep()
    children = _children(os.getpid())
    place = groups.find_place()
    return {
        "memory_mb": _resident_mb(os.getpid()),
        "memory_of_children_mb": sum(_resident_mb(pid) for pid in children),
        "descriptors": _count(Path("/proc/self/fd")),
        "threads": _count(Path("/proc/self/task")),
        "processes": len(children),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "temporary_files": _count(Path(tempfile.gettempdir())),
        "shared_memory_files": _count(Path("/dev/shm")),  # noqa: S108
        "control_groups": len(list(place.folder.glob(f"t2j-{os.getpid()}-*"))) if place else 0,
        "compile_cache_mb": _size_mb(compile_cache.folder()),
    }


def settled() -> dict[str, float]:
    """A snapshot once two looks in a row see the same counts."""
    end, last = time.monotonic() + _SETTLE_S, snapshot()
    while time.monotonic() < end:
        time.sleep(1.0)
        now = snapshot()
        if _counts(now) == _counts(last):
            return now
        last = now
    return last


def _counts(found: Snapshot) -> dict[str, float]:
    return {name: value for name, value in found.items() if not name.startswith("memory")}


def grown(before: Snapshot, after: Snapshot) -> list[str]:
    """The names of what is more than before."""
    slack = {
        "memory_mb": _MEMORY_SLACK_MB,
        "memory_of_children_mb": len(_ROOMS) * _MEMORY_SLACK_MB,
        "compile_cache_mb": float(compile_cache.SCOPE_MB),
    }
    return [name for name, now in after.items() if now > before[name] + slack.get(name, 0.0)]


def _children(pid: int) -> list[int]:
    """All living descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(path.name))
    found, waiting = [], [pid]
    while waiting:
        mine = parents.get(waiting.pop(), [])
        found += mine
        waiting += mine
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1)


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _size_mb(folder: Path) -> float:
    total = sum(path.stat().st_size for path in folder.glob("*/*"))
    return round(total / (1 << 20), 1)
