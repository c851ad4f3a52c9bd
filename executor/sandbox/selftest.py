"""The sandbox tries itself: what a box must hold back is attempted in one, and told as data."""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor import runtimes
from executor.runtimes import PROJECT, RuntimeUnavailable

from .job import Job, JobResult, Limits, SandboxUnavailable
from .runner import isolation_report, run

_LIMITS = Limits(
    wall_s=10, cpu_s=10, memory_mb=512, processes=32, work_mb=32, output_kb=64, files_mb=8
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt: `held` says whether the box held; `saw` what happened."""

    name: str
    asks: str
    held: bool
    saw: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All attempts on this machine. `level` is the isolation reached, "none" without a box."""

    level: str
    held: bool
    why: str
    runtime: str
    kernel: str
    probes: tuple[Probe, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json` and for the pages."""
        probes = [
            {"name": one.name, "asks": one.asks, "held": one.held, "saw": one.saw,
             "seconds": round(one.seconds, 3)}
            for one in self.probes
        ]  # fmt: skip
        return {
            "level": self.level, "held": self.held, "why": self.why, "runtime": self.runtime,
            "kernel": self.kernel, "probes": probes,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A program and the proof that it got nowhere."""

    name: str
    asks: str
    code: str
    held: Callable[[JobResult], bool]


def _says_nothing(result: JobResult) -> bool:
    return result.end == "exited" and result.stdout.strip() == "nothing"


_NETWORK = """
import socket
found = []
for family, kind in ((2, 1), (10, 1), (2, 3), (17, 3), (40, 1)):
    for address in ("127.0.0.1", "::1", "192.0.2.1", "169.254.169.254"):
        for port in (80, 5432, 6379, 5672, 8000):
            try:
                with socket.socket(family, kind) as sock:
                    sock.settimeout(0.2)
                    sock.connect((address, port))
                found.append((address, port))
            except (OSError, TypeError):
                pass
try:
    found.append(socket.getaddrinfo("example.com", 80))
except OSError:
    pass
print(found or "nothing")
"""
_HOST_FILES = """
import json, os
wanted = json.load(open("/work/in/paths.json"))
print([path for path in wanted if os.path.exists(path)] or "nothing")
"""
_PROCESSES = """
import os
numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
found = [number for number in numbers if number not in (1, os.getpid())]
try:
    found.append(open("/proc/1/environ").read())
except OSError:
    pass
print(found or "nothing")
"""
_ENVIRONMENT = """
import json, os
wanted = json.load(open("/work/in/variables.json"))
print([name for name, value in wanted.items() if os.environ.get(name) == value] or "nothing")
"""
_RIGHTS = """
import ctypes, os
libc = ctypes.CDLL(None)
found = []
if os.path.exists("/proc/self/status"):
    held = [line.split() for line in open("/proc/self/status") if line.startswith("Cap")]
    found = [words for words in held if words[1].strip("0")]
for name, call in {
    "unshare": lambda: libc.unshare(0x10000000),
    "mount": lambda: libc.mount(b"x", b"/tmp", b"tmpfs", 0, None),
    "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
    "setuid": lambda: libc.setuid(0),
}.items():
    if call() == 0:
        found.append(name)
for path in ("/usr/x", "/opt/runtime/lib/x", "/etc/x"):
    try:
        open(path, "w")
        found.append(path)
    except OSError:
        pass
print(found or "nothing")
"""

_ATTEMPTS = (
    _Attempt("network", "Can it reach any address or name?", _NETWORK, _says_nothing),
    _Attempt("host files", "Can it see the project or homes?", _HOST_FILES, _says_nothing),
    _Attempt("processes", "Can it see anyone else's processes?", _PROCESSES, _says_nothing),
    _Attempt("environment", "Can it see our environment?", _ENVIRONMENT, _says_nothing),
    _Attempt("rights", "Can it gain rights or write to the system?", _RIGHTS, _says_nothing),
    _Attempt(
        "memory", "Is too much memory refused?",
        "held = []\nwhile True:\n    held.append(b'x' * (16 << 20))",
        lambda result: result.end == "memory" or "MemoryError" in result.stderr,
    ),
    _Attempt(
        "process count", "Are too many processes refused?",
        "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(20)",
        lambda result: "BlockingIOError" in result.stderr,
    ),
    _Attempt(
        "disk", "Are too many bytes on disk refused?",
        "with open('/tmp/x', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))",
        lambda result: result.end == "disk" or "No space left" in result.stderr,
    ),
    _Attempt(
        "output", "Is too much output refused?", "while True:\n    print('x' * 1000)",
        lambda result: result.end == "output",
    ),
    _Attempt(
        "time", "Is a program that does not end ended?",
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)",
        lambda result: result.end == "timeout",
    ),
)  # fmt: skip


def selftest(runtime: str | None = None, *, warm: bool = True) -> SelfTest:
    """Attempts everything in boxes of one runtime (the first installed one by default).

    Takes about three seconds. Never raises for a missing sandbox: that is its first finding.
    """
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    probes: list[Probe] = []
    level = "none"
    try:
        name = runtime or _first_installed()
        for attempt in _ATTEMPTS:
            probe, level = _try(attempt, name, warm)
            probes.append(probe)
    except SandboxUnavailable as error:
        level = isolation_report()["level"]
        return SelfTest(level, False, str(error), runtime or "", kernel, tuple(probes))
    lost = [probe.name for probe in probes if not probe.held]
    why = f"These did not hold: {', '.join(lost)}." if lost else ""
    return SelfTest(level, not lost, why, name, kernel, tuple(probes))


def _first_installed() -> str:
    reason = "No runtime is described."
    for name in runtimes.names():
        try:
            return runtimes.load(name).name
        except RuntimeUnavailable as error:
            reason = str(error)
    raise SandboxUnavailable(reason)


def _try(attempt: _Attempt, runtime: str, warm: bool) -> tuple[Probe, str]:
    wall = 1.0 if attempt.name == "time" else _LIMITS.wall_s
    limits = Limits(**{**_as_dict(_LIMITS), "wall_s": wall})
    files = {"code.py": attempt.code.encode()} | _knowledge()
    started = time.monotonic()
    result = run(Job(runtime, "selftest_program", files, limits), warm=warm)
    saw = result.detail or result.stdout.strip()[:200] or result.stderr.strip()[-200:]
    seconds = time.monotonic() - started
    return Probe(attempt.name, attempt.asks, attempt.held(result), saw, seconds), result.isolation


def _as_dict(limits: Limits) -> dict[str, Any]:
    return {name: getattr(limits, name) for name in Limits.__slots__}


def _knowledge() -> dict[str, bytes]:
    """What the box must not be able to confirm about the host."""
    paths = [PROJECT / "pyproject.toml", PROJECT / "t2j_site", Path.home(), Path("/etc/hostname")]
    paths += [Path("/root"), Path("/home"), Path("/var/lib"), Path("/run")]
    hidden = {
        name: value for name, value in os.environ.items()
        if name not in {"PATH", "HOME", "TMPDIR", "LANG", "TZ"} and not name.startswith("PYTHON")
        and not name.endswith("_NUM_THREADS") and not name.startswith(("JAX_", "XLA_", "MPL"))
    }  # fmt: skip
    return {
        "paths.json": json.dumps([str(path) for path in paths]).encode(),
        "variables.json": json.dumps(hidden).encode(),
    }
