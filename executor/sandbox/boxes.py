"""The host's side of one box: opened ahead of its job, then given it, then over."""

import contextlib
import socket
from dataclasses import asdict
from typing import Any

from executor.runtimes import Runtime

from . import groups
from .inner import wire
from .job import Job, Limits
from .zygotes import Zygote, ZygoteGone

# Beyond a job's wall time: starting the box, laying out and collecting files.
GRACE_S = 60.0

Outcome = tuple[dict[str, Any], dict[str, bytes]]


class Box:
    """A box forked from a zygote. It is built while nobody waits for it, and takes one job."""

    def __init__(self, zygote: Zygote) -> None:
        """Asks for the box and does not wait; raises ZygoteGone."""
        self.zygote = zygote
        self._group = groups.make()
        self._sock, theirs = socket.socketpair()
        try:
            descriptors = self._group.descriptors if self._group else []
            zygote.submit([theirs.fileno(), *descriptors])
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()

    @property
    def runtime(self) -> Runtime:
        return self.zygote.runtime

    @property
    def gpu(self) -> int | None:
        return self.zygote.gpu

    @property
    def warm(self) -> bool:
        return self.zygote.warm

    @property
    def isolation(self) -> str:
        """The layers around the job, joined by +."""
        return isolation_of(self.zygote, grouped=self._group is not None)

    def start(self, job: Job, cache: dict[str, bytes] | None) -> None:
        """Hands the job over; `cache` are its scope's entries, None when it has no scope."""
        if self._group:
            self._group.limit(job.limits.memory_mb)
        self._sock.settimeout(job.limits.wall_s + GRACE_S)
        # A box that failed before it read all this has said why; `finish` reads it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.send(self._sock, *message(job, cache))

    def finish(self, job: Job) -> Outcome:
        """Waits for the end and returns what the box tells; raises ZygoteGone."""
        try:
            return wire.receive(self._sock, most_bytes(job.limits))
        except (OSError, wire.Closed) as error:
            raise ZygoteGone(str(error)) from error

    def close(self) -> None:
        """Ends whatever still runs in the box and lets its control group go."""
        self._sock.close()
        if self._group:
            self._group.leave()

    def abandon(self) -> None:
        """From any thread: the box kills its job; `finish` returns once it is dead, or raises.

        Not sooner: a program's memory on a GPU is held until it is gone, and the next run waits
        for the device.
        """
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def forget(self) -> None:
        """For a forked child: closes our copy and leaves the parent's box alone."""
        self._sock.close()


def message(job: Job, cache: dict[str, bytes] | None) -> Outcome:
    """What a box is told: the head, and the files to lay out."""
    files = {f"in/{name}": data for name, data in job.files.items()}
    files |= {f"cache/{name}": data for name, data in (cache or {}).items()}
    return {"entry": job.entry, "limits": asdict(job.limits), "cache": cache is not None}, files


def isolation_of(zygote: Zygote, *, grouped: bool) -> str:
    """The layers around a job of this zygote, joined by +."""
    watched = "memory-watcher" if zygote.facts["proc"] else "memory-rlimit"
    if zygote.gpu is not None:
        watched = "gpu-memory-watcher"
    memory = "cgroup" if grouped else watched
    return f"namespaces+seccomp+rlimits+{memory}"


def most_bytes(limits: Limits) -> int:
    """The largest answer of a box that keeps its job within its limits."""
    return (limits.files_mb + 80 << 20) + (2 * limits.output_kb << 10)
