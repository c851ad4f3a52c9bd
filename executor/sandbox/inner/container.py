"""Process 1 of a container: lays one job out, keeps its limits, collects its results.

The second kind of box, where namespaces are not to be had: the container's own walls stand in for
the room's and the box's, everything else is as there. The job and its results go through standard
input and output.
"""

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import NoReturn

from . import box, payload, wire
from .watch import CACHE, END, Box, Watch

UID = 65534
STORES = ("/work", "/tmp", "/dev/shm")  # noqa: S108
# From this share of the limit on, a killed job is one that wanted more memory.
NEAR_LIMIT = 0.9


class Pipes:
    """Standard input and output as the one stream that `wire` speaks over."""

    def __init__(self) -> None:
        self._input, self._output = os.dup(0), os.dup(1)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)

    def fileno(self) -> int:
        return self._input

    def recv_into(self, view: memoryview) -> int:
        return os.readv(self._input, [view])

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._output, rest) :]


class ContainerWatch(Watch):
    """Process 1 sees every process of the job, and nothing but the job."""

    def _out_of_memory(self) -> bool:
        """gVisor shows neither the group's count nor what processes share: resident memory then."""
        if self.events is None:
            return bool(self.usage.resident_mb > self.limits["memory_mb"])
        return super()._out_of_memory()

    def _killed_for_memory(self) -> bool:
        """The container's limit counts more than what is resident, so it strikes below it."""
        if self.events is None:
            return bool(self.usage.peak_mb > NEAR_LIMIT * self.limits["memory_mb"])
        return super()._killed_for_memory()

    def stop(self) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-1, 0)
            self.running = False


def main() -> NoReturn:
    """Runs one job and ends; the container ends with it."""
    pipes = Pipes()
    try:
        head, files = wire.receive(pipes, 1 << 31)
        _make_folders(files)
        opened = _start_payload()
        os.write(opened.go, json.dumps(head).encode() + b"\n")
        os.close(opened.go)
        known = {name.removeprefix("cache/") for name in files} if head["cache"] else None
        watch = ContainerWatch(pipes, head["limits"], opened, known)
        wire.send(pipes, *watch.follow())
    except wire.Closed:
        os._exit(1)
    except Exception as error:
        detail = f"the container failed: {type(error).__name__}: {error}"
        wire.send(pipes, {"end": "infrastructure", "detail": detail}, {})
    os._exit(0)


def _make_folders(files: dict[str, bytes]) -> None:
    for folder in ("/work/in", "/work/out", CACHE):
        Path(folder).mkdir(exist_ok=True)
    box.lay_out(files, UID)
    for folder in ("/work", "/work/in", "/work/out", CACHE):
        os.chown(folder, UID, UID)


def _start_payload() -> Box:
    """The payload, forked by a process that waits for it and tells how it ended."""
    pipes = {name: os.pipe() for name in ("go", "status", "out", "err", "ready")}
    theirs = {name: ends[name != "go"] for name, ends in pipes.items()}
    ours = {name: ends[name == "go"] for name, ends in pipes.items()}
    keeper = os.fork()
    if keeper == 0:
        for descriptor in ours.values():
            os.close(descriptor)
        _keep(theirs)
    for descriptor in theirs.values():
        os.close(descriptor)
    box.wait_until_ready(ours["ready"])
    return Box(
        keeper,
        UID,
        True,
        go=ours["go"],
        status=ours["status"],
        out=ours["out"],
        err=ours["err"],
        events=_events(),
        stores=STORES,
    )


def _keep(theirs: dict[str, int]) -> NoReturn:
    try:
        child = os.fork()
        if child == 0:
            try:
                payload.become(theirs, [], UID, True, contained=True)
            finally:
                os._exit(1)
        for name in ("go", "out", "err", "ready"):
            os.close(theirs[name])
        _, code, used = os.wait4(child, 0)
        seconds = used.ru_utime + used.ru_stime
        os.write(theirs["status"], END.pack(code, seconds, used.ru_maxrss))
    finally:
        os._exit(0)


def _events() -> int | None:
    """The kernel's count of ended processes for want of memory, where the container shows it."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None
