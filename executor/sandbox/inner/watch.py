"""Watching one running box: its limits, its end, and what it leaves."""

import contextlib
import os
import re
import select
import signal
import stat
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import wire

CACHE = "/tmp/compile-cache"  # noqa: S108
# What the zygote tells of an ended payload: wait status, seconds of processor time, peak KiB.
END = struct.Struct("=idq")
_POLL_FIRST_S, _POLL_MOST_S = 0.005, 0.025
_FILES_MOST = 4096
_CACHE_MOST = 64 << 20
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# With the line's beginning: a process may call itself "RssAnon: 0 kB".
_HELD = (b"\nRssAnon:", b"\nRssShmem:", b"\nVmPTE:")
_HELD_SHARED = (b"\nPss_Anon:", b"\nPss_Shmem:")
# CUDA's managed memory counts as a file's; so do the mapped libraries, which are real enough.
_HELD_GPU, _HELD_SHARED_GPU = b"\nRssFile:", b"\nPss_File:"
_OOM_KILL = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Box:
    """A built box whose payload waits for a line on `go`; the rest is read from it."""

    init: int
    uid: int
    has_proc: bool
    go: int
    status: int
    out: int
    err: int
    events: int | None
    stores: tuple[str, ...] = ("/work",)
    gpu: bool = False


@dataclass(slots=True)
class Usage:
    """What a box has used, as last seen: seconds and MiB."""

    cpu_s: float = 0.0
    memory_mb: float = 0.0
    resident_mb: float = 0.0
    peak_mb: float = 0.0


@dataclass(slots=True)
class Streams:
    """What came out of the payload, at most `limit` bytes each."""

    limit: int
    data: dict[int, bytearray] = field(default_factory=dict)
    over: bool = False

    def read(self, descriptor: int) -> bool:
        """Takes what is there; returns False at end of file."""
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        held = self.data[descriptor]
        held += chunk[: self.limit - len(held)]
        self.over = self.over or len(held) >= self.limit
        return True


class Watch:
    """Keeps one running box within its limits and tells how it ended."""

    def __init__(
        self, sock: wire.Stream, limits: dict[str, Any], box: Box, cached: set[str] | None
    ) -> None:
        self.sock, self.limits, self.cached = sock, limits, cached
        self.init, self.has_proc, self.stores = box.init, box.has_proc, box.stores
        self.held = (*_HELD, _HELD_GPU) if box.gpu else _HELD
        self.held_shared = (*_HELD_SHARED, _HELD_SHARED_GPU) if box.gpu else _HELD_SHARED
        self.status, self.out, self.err, self.events = box.status, box.out, box.err, box.events
        held = {box.out: bytearray(), box.err: bytearray()}
        self.streams = Streams(limits["output_kb"] << 10, held)
        self.usage = Usage()
        self.code: int | None = None
        self.running = True
        self.started = self.next_look = time.monotonic()

    def follow(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        for descriptor in (self.out, self.err):
            os.set_blocking(descriptor, False)
        end, detail = self._wait()
        wall = time.monotonic() - self.started
        self._settle()
        open_streams = [self.out, self.err]
        while open_streams and not self.streams.over:
            open_streams = [one for one in open_streams if self.streams.read(one)]
        if end == "exited" and self.streams.over:
            end, detail = "output", self._output_detail()
        if end == "exited" and self.code is not None and os.WIFSIGNALED(self.code):
            end, detail = self._signalled()
        files, too_big = _collect(self.limits["files_mb"] << 20)
        if too_big and end == "exited":
            end, detail = "disk", too_big
        held = self.streams.data
        parts = {"out": bytes(held[self.out]), "err": bytes(held[self.err])}
        parts |= {f"file/{name}": data for name, data in files.items()}
        if self.cached is not None:
            parts |= _collect_cache(self.cached)
        return self._outcome(end, detail, wall), parts

    def _outcome(self, end: str, detail: str, wall: float) -> dict[str, Any]:
        code = self.code
        return {
            "end": end,
            "detail": detail,
            "exit_code": os.WEXITSTATUS(code) if code is not None and os.WIFEXITED(code) else None,
            "signal": os.WTERMSIG(code) if code is not None and os.WIFSIGNALED(code) else None,
            "wall_s": wall,
            "cpu_s": self.usage.cpu_s,
            "peak_memory_mb": self.usage.peak_mb,
        }

    def _wait(self) -> tuple[str, str]:
        poll = select.poll()
        for descriptor in (self.out, self.err, self.status):
            poll.register(descriptor, select.POLLIN)
        poll.register(self.sock, select.POLLIN | select.POLLHUP)
        pause = _POLL_FIRST_S
        while True:
            for descriptor, _ in poll.poll(pause * 1000):
                if descriptor == self.status:
                    return self._told()
                if descriptor == self.sock.fileno():
                    return "infrastructure", "the caller went away"
                if not self.streams.read(descriptor):
                    poll.unregister(descriptor)
            # Not at every line of a program that prints much: looking costs more than printing.
            if not self.streams.over and time.monotonic() < self.next_look:
                continue
            if broken := self._over_limit():
                return broken
            pause = min(pause * 1.5, _POLL_MOST_S)
            self.next_look = time.monotonic() + pause

    def _told(self) -> tuple[str, str]:
        data = os.read(self.status, END.size)
        if len(data) < END.size:
            return "infrastructure", "the zygote died"
        self.code, seconds, peak_kb = END.unpack(data)
        self.usage.cpu_s = max(self.usage.cpu_s, seconds + self._measure())
        self.usage.peak_mb = max(self.usage.peak_mb, peak_kb / 1024)
        return "exited", ""

    def _over_limit(self) -> tuple[str, str] | None:
        limits = self.limits
        if self.streams.over:
            return "output", self._output_detail()
        if time.monotonic() - self.started > limits["wall_s"]:
            return "timeout", f"It ran longer than {limits['wall_s']:g} s."
        self._measure()
        if self._out_of_memory():
            return "memory", self._memory_detail()
        if self.usage.cpu_s > limits["cpu_s"]:
            return "timeout", f"It used more than {limits['cpu_s']:g} s of processor time."
        if any(_is_full(store) for store in self.stores):
            return "disk", f"It filled its {limits['work_mb']} MB of /tmp and /work."
        return None

    def _out_of_memory(self) -> bool:
        """By the kernel's count where there is a control group, else by our own."""
        if self.events is not None:
            count = _OOM_KILL.search(os.pread(self.events, 4096, 0))
            return count is not None and int(count[1]) > 0
        most = self.limits["memory_mb"]
        # Forks share pages: the quick sum counts them for each, so it only raises the question.
        return bool(self.usage.memory_mb > most and _proportional_mb(self.held_shared) > most)

    def _killed_for_memory(self) -> bool:
        """Whether the kernel ended the job for want of memory."""
        return self._out_of_memory()

    def _memory_detail(self) -> str:
        return f"It used more than {self.limits['memory_mb']} MB of memory."

    def _output_detail(self) -> str:
        return f"It printed more than {self.limits['output_kb']} KB on one stream."

    def _signalled(self) -> tuple[str, str]:
        assert self.code is not None
        number = os.WTERMSIG(self.code)
        if number == signal.SIGKILL and self._killed_for_memory():
            return "memory", self._memory_detail()
        if number == signal.SIGXCPU:
            return "timeout", f"It used more than {self.limits['cpu_s']:g} s of processor time."
        if number == signal.SIGXFSZ:
            return "disk", f"It wrote a file of more than {self.limits['work_mb']} MB."
        return "signal", f"It was ended by signal {number} ({signal.Signals(number).name})."

    def _measure(self) -> float:
        """Sums memory over the processes of the box; returns the processor time of them all."""
        if not self.has_proc:
            return 0.0
        anonymous = resident = ticks = 0
        for name in _processes():
            try:
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b") ")[2].split()
                status = Path(f"/proc/{name}/status").read_bytes()
            except OSError:
                continue
            ticks += sum(int(value) for value in fields[11:15])
            if name == "1":
                continue
            resident += int(fields[21]) * _PAGE
            # Page tables too: a sparse walk over terabytes holds gigabytes of nothing else.
            anonymous += sum(_kilobytes(status, label) for label in self.held)
        self.usage.cpu_s = max(self.usage.cpu_s, ticks / _TICKS)
        self.usage.memory_mb = anonymous / 1024
        self.usage.resident_mb = resident / (1 << 20)
        self.usage.peak_mb = max(self.usage.peak_mb, self.usage.resident_mb)
        return ticks / _TICKS

    def _settle(self) -> None:
        """Returns once nothing in the box can change its files any more."""
        if self.code is None or not self.has_proc or self._others():
            self.stop()

    def _others(self) -> bool:
        return any(name != "1" for name in _processes())

    def stop(self) -> None:
        """Kills everything in the box."""
        if self.running:
            os.kill(self.init, signal.SIGKILL)
            os.waitpid(self.init, 0)
            self.running = False


def _is_full(store: str) -> bool:
    left = os.statvfs(store)
    # A file system without an inode limit tells of none at all.
    return left.f_bavail == 0 or (left.f_files > 0 and left.f_favail == 0)


def _processes() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def _proportional_mb(labels: tuple[bytes, ...]) -> float:
    """Memory of the box's processes, each shared page counted once in all."""
    total = 0
    for name in _processes():
        if name != "1":
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{name}/smaps_rollup").read_bytes()
                total += sum(_kilobytes(text, label) for label in labels)
                total += _kilobytes(Path(f"/proc/{name}/status").read_bytes(), b"\nVmPTE:")
    return total / 1024


def _kilobytes(status: bytes, label: bytes) -> int:
    at = status.find(label)
    return int(status[at + len(label) : at + 40].split()[0]) if at >= 0 else 0


def _collect(limit: int) -> tuple[dict[str, bytes], str]:
    """The regular, plainly named files of /work/out, or a sentence why they are too much."""
    files = _regular_files("/work/out", limit)
    if files is None:
        return {}, f"It left more than {limit >> 20} MB or {_FILES_MOST} files in /work/out."
    return files, ""


def _collect_cache(known: set[str]) -> dict[str, bytes]:
    """New entries only: what was given stays as it was, whatever the payload made of it."""
    files = _regular_files(CACHE, _CACHE_MOST) or {}
    return {f"cache/{name}": data for name, data in files.items() if name not in known}


def _regular_files(folder: str, limit: int) -> dict[str, bytes] | None:
    """Reads a folder the payload could write to, following no link; None when it holds too much."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return found
    try:
        for name in sorted(entry.name for entry in os.scandir(place)):
            status = os.stat(name, dir_fd=place, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or not _SAFE.issuperset(name):
                continue
            total += status.st_size
            if total > limit or len(found) >= _FILES_MOST:
                return None
            found[name] = _read_regular(place, name, status.st_size)
    finally:
        os.close(place)
    return found


def _read_regular(place: int, name: str, size: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(name, flags, dir_fd=place), "rb") as file:
        return file.read(size)
