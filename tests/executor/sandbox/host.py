"""What a job could leave behind on the host: processes, mounts, files, control groups."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from executor.sandbox import groups

_WAIT_S = 120.0


@contextmanager
def clean_host() -> Iterator[None]:
    """Fails when the block leaves something: what was there before may be there after."""
    before = _settled()
    yield
    end = time.monotonic() + _WAIT_S
    # A taken-down box and the next one, built ahead, both need a moment.
    while (now := _left_behind()) != before and time.monotonic() < end:
        time.sleep(0.02)
    left = {name: (before[name], now[name]) for name in now if before[name] != now[name]}
    assert not left, left


def _settled() -> dict[str, object]:
    """What there is once the jobs before have been taken down and the next box stands."""
    last = _left_behind()
    for _ in range(50):
        time.sleep(0.06)
        now = _left_behind()
        if now == last:
            break
        last = now
    return last


def _left_behind() -> dict[str, object]:
    place = groups.find_place()
    groups.sweep()
    return {
        "processes": _shape(psutil.Process().children(recursive=True)),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "shared memory": _shared_memory(),
        "groups": len(list(place.folder.glob(f"t2j-{os.getpid()}-*"))) if place else 0,
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


def _shared_memory() -> list[str]:
    # Servers of other projects come and go beside the tests.
    names = (path.name for path in Path("/dev/shm").iterdir())
    return sorted(name for name in names if not name.startswith("PostgreSQL."))


def _shape(processes: list[psutil.Process]) -> int:
    count = 0
    for process in processes:
        try:
            count += process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            continue
    return count
