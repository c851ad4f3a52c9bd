"""Memory limits by control group, where the host lets us make one (versions 1 and 2).

Groups are made below or beside our own, so limits set on us from outside go on holding.
"""

import contextlib
import itertools
import os
import re
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_NAME = re.compile(r"t2j-(\d+)-\d+")
_counter = itertools.count()
_cleaned = threading.Event()
_leftovers: list[Path] = []


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a control group hierarchy in which groups can be made."""

    folder: Path
    version: int


@dataclass(slots=True)
class Group:
    """The control group of one job: descriptors to enter it and to read its out-of-memory count."""

    path: Path
    version: int
    descriptors: list[int] = field(default_factory=list)

    def limit(self, memory_mb: int) -> None:
        """Holds the job to `memory_mb` MiB in all, files in memory included."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        (self.path / name).write_text(str(memory_mb << 20))

    def leave(self) -> None:
        """Lets go of the group, whose last process may still be going; `sweep` removes it."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        _leftovers.append(self.path)


def sweep() -> None:
    """Removes the groups of ended jobs that were not empty yet when their jobs ended."""
    for path in list(_leftovers):
        with contextlib.suppress(OSError):
            path.rmdir()
        if not path.exists():
            with contextlib.suppress(ValueError):
                _leftovers.remove(path)


def make() -> Group | None:
    """A group for one job, not limited yet, or None where none can be had."""
    place = find_place()
    if place is None:
        return None
    sweep()
    if not _cleaned.is_set():
        _cleaned.set()
        _remove_stale(place)
    return _make_in(place)


def _make_in(place: Place) -> Group | None:
    path = place.folder / f"t2j-{os.getpid()}-{next(_counter)}"
    group = Group(path, place.version)
    try:
        path.mkdir()
        if place.version == 2:
            _try_write(path / "memory.swap.max", "0")
        else:
            _try_write(path / "memory.swappiness", "0")
        group.descriptors.append(os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
        events = "memory.events" if place.version == 2 else "memory.oom_control"
        group.descriptors.append(os.open(path / events, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        group.leave()
        sweep()
        return None
    return group


@cache
def find_place() -> Place | None:
    """Tries where our own process may make groups that limit memory."""
    for place in _candidates():
        group = _make_in(place)
        if group is not None:
            usable = _can_enter(group)
            group.leave()
            sweep()
            if usable:
                return place
    return None


def _can_enter(group: Group) -> bool:
    """Whether a process of ours may move there: tried with one that ends at once."""
    child = os.fork()
    if child == 0:
        try:
            os.write(group.descriptors[0], b"0")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _candidates() -> list[Place]:
    mounts = _mounts()
    found = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        kind = "cgroup2" if controllers == "" else "cgroup"
        if kind == "cgroup" and "memory" not in controllers.split(","):
            continue
        if kind not in mounts:
            continue
        own = _inside_mount(path, *mounts[kind])
        if kind == "cgroup":
            found.append(Place(own, 1))
        else:
            found += [Place(own, 2), Place(own.parent, 2)]
    return [place for place in found if _may_limit(place)]


def _may_limit(place: Place) -> bool:
    if not os.access(place.folder, os.W_OK):
        return False
    if place.version == 1:
        return True
    handed_down = place.folder / "cgroup.subtree_control"
    if "memory" not in _read(handed_down).split():
        # Refused where the group has processes of its own, as ours then has.
        _try_write(handed_down, "+memory")
    return "memory" in _read(handed_down).split()


def _mounts() -> dict[str, tuple[str, str]]:
    """{"cgroup" or "cgroup2": (root inside the hierarchy, mount point)}."""
    found = {}
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split(" ")[3:5]
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in re.split("[ ,]", options)):
            found[kind] = (root, point)
    return found


def _inside_mount(path: str, root: str, point: str) -> Path:
    relative = path.removeprefix(root) if root != "/" else path
    return Path(point) / relative.lstrip("/")


def _remove_stale(place: Place) -> None:
    """Removes the groups of processes that were killed before they could."""
    for path in place.folder.glob("t2j-*"):
        match = _NAME.fullmatch(path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            with contextlib.suppress(OSError):
                path.rmdir()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _try_write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.write_text(text)
