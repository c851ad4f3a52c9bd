"""The host's side of a room: starting a zygote, handing it jobs, letting it go."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from executor.runtimes import PROJECT, Runtime

from . import devices
from .inner.room import BASE_PYTHON, RUNTIME, Plan
from .job import SandboxUnavailable

HARNESS = PROJECT / "executor" / "harness"
INNER = Path(__file__).resolve().parent / "inner"
_START_S = 120.0
_CODE = "import sys; sys.path.append(sys.argv[1]); from inner.room import main; main()"
_ENVIRONMENT = {
    "PATH": f"{RUNTIME}/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class ZygoteGone(Exception):
    """The zygote ended or does not answer."""


class _Keeper(threading.Thread):
    """Starts a process and outlives it.

    The kernel ends a room when the *thread* that started it ends, so that thread must not be one
    that comes and goes.
    """

    def __init__(self, command: list[str], control: socket.socket) -> None:
        super().__init__(name="sandbox-keeper", daemon=True)
        self._command, self._control = command, control
        self._spawned = threading.Event()
        self._problem: OSError | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.said = b""
        self.start()
        self._spawned.wait()
        if self._problem:
            raise SandboxUnavailable(f"The runtime does not start: {self._problem}")

    def run(self) -> None:
        try:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                pass_fds=[self._control.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self._problem = error
            return
        finally:
            self._spawned.set()
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            self.said = stderr.read(1 << 16)
            while stderr.read(1 << 16):
                pass
        self.process.wait()


class Zygote:
    """One room with its process 1: `warm` ones have the packages imported and serve many jobs.

    `gpu` is the number of the one GPU that the room shows.
    """

    def __init__(self, runtime: Runtime, *, warm: bool, gpu: int | None = None) -> None:
        self.runtime, self.warm, self.gpu = runtime, warm, gpu
        self.jobs = 0
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._keeper = _Keeper(_command(plan_for(runtime, warm, gpu), runtime, theirs), theirs)
        finally:
            theirs.close()
        try:
            self.facts = self._first_words()
            if gpu is not None and not self.facts["proc"]:
                raise SandboxUnavailable(devices.NO_PROC)
        except BaseException:
            self.kill()
            raise

    def _first_words(self) -> dict[str, Any]:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        message = self._control.recv(1 << 16) if poll.poll(_START_S * 1000) else b""
        if not message:
            self.kill()
            self._keeper.join(5)
            said = self._keeper.said.decode(errors="replace").strip()
            why = said.splitlines()[-1] if said else "it said nothing"
            raise SandboxUnavailable(f"The sandbox of runtime '{self.runtime.name}' failed: {why}")
        facts: dict[str, Any] = json.loads(message)
        if "error" in facts:
            raise SandboxUnavailable(f"No sandbox can be had: {facts['error']}")
        return facts

    def submit(self, descriptors: list[int]) -> None:
        """Hands over a job's socket and control groups; raises ZygoteGone."""
        with self._lock:
            self.jobs += 1
            try:
                socket.send_fds(self._control, [b"job"], descriptors)
            except OSError as error:
                raise ZygoteGone(str(error)) from error

    @property
    def pid(self) -> int:
        """The room's outermost process; ending it ends everything in the room."""
        assert self._keeper.process is not None
        return self._keeper.process.pid

    def alive(self) -> bool:
        return self._keeper.process is not None and self._keeper.process.poll() is None

    def usable(self, most_jobs: int) -> bool:
        """Whether it lives and has served fewer than `most_jobs`."""
        return self.jobs < most_jobs and self.alive()

    def retire(self) -> None:
        """Takes no more jobs; running ones end in peace."""
        with self._lock:
            self._control.close()

    def forget(self) -> None:
        """For a forked child: closes our copy and leaves the parent's zygote alone."""
        self._control.close()

    def kill(self, wait_s: float = 5.0) -> None:
        """Ends the room and all in it."""
        self.retire()
        if self._keeper.process is not None:
            self._keeper.process.kill()
            self._keeper.join(wait_s)


def _command(plan: Plan, runtime: Runtime, control: socket.socket) -> list[str]:
    return [
        str(runtime.python), "-I", "-S", "-B", "-c", _CODE,
        str(INNER.parent), str(control.fileno()), str(os.getpid()),
        json.dumps(asdict(plan)),
    ]  # fmt: skip


def plan_for(runtime: Runtime, warm: bool, gpu: int | None) -> Plan:
    """What a box of this runtime shows, and the environment in it."""
    base_python = Path(os.path.realpath(runtime.python))
    base_bin = base_python.parent
    base = base_bin.parent
    environment = _ENVIRONMENT | dict(runtime.env)
    driver = None if gpu is None else devices.driver_folder()
    libraries = [driver] if driver else []
    if list((base / "lib").glob("libpython3*.so*")):
        libraries.append(f"{BASE_PYTHON}/lib")
    if libraries:
        environment["LD_LIBRARY_PATH"] = ":".join(libraries)
    return Plan(
        prefix=str(runtime.prefix),
        base=str(base),
        base_bin=str(base_bin),
        site=base_python.name,
        inner=str(INNER),
        harness=str(HARNESS),
        hide=_secrets(),
        devices=[] if gpu is None else devices.nodes(gpu),
        driver=driver or "",
        environment=environment,
        preload=list(runtime.preload) if warm else [],
        once=not warm,
    )


def _secrets() -> list[str]:
    """Folders that stay unseen even where they lie inside a system folder."""
    folders = [PROJECT, Path.home(), Path(sys.prefix)]
    if data := os.environ.get("T2J_DATA"):
        folders.append(Path(data))
    return [str(folder.resolve()) for folder in folders if str(folder.resolve()) != "/"]


def signature(runtime: Runtime) -> tuple[object, ...]:
    """Changes when a zygote made earlier no longer shows what is on disk now."""
    installed = (runtime.prefix / "pyvenv.cfg").stat()
    stats = sorted([*_changed(HARNESS), *_changed(INNER), ("", installed.st_mtime_ns, 0)])
    return (runtime.name, tuple(runtime.env.items()), runtime.preload, *stats)


def _changed(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, time and size of a folder's code; it is looked at before every job."""
    for entry in os.scandir(folder):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _changed(Path(entry.path))
        # An editor that saves by renaming makes a file vanish for a moment.
        with contextlib.suppress(FileNotFoundError):
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.name, status.st_mtime_ns, status.st_size
