"""The zygote: imports the runtime's packages once, then forks one payload per box.

It never runs a job's code and never starts a backend, so each fork starts as a fresh import.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from . import libc, payload, steward
from .watch import END

# Only when nobody waits: a first job comes at once, or not for a while.
_IDLE_S = 0.3
_BOX = libc.NEWNS | libc.NEWNET | libc.NEWIPC | libc.NEWUTS


def serve(asked: socket.socket, control: socket.socket, settings: dict[str, Any]) -> NoReturn:
    """Says on `control` when all is imported, then forks whatever supervisors ask for."""
    imports = _preload(settings["preload"])
    _forget_exit_handlers()
    gc.collect()
    gc.freeze()
    facts = {"ready": True, "proc": settings["proc"], "uid": settings["uid"], "imports": imports}
    control.send(json.dumps(facts).encode())
    control.close()
    _fork_on_demand(asked, gather=settings["proc"] and bool(imports))
    os._exit(0)


def _gather_memory() -> None:
    """Moves what is imported into huge pages, so that a fork and its end touch few entries.

    With PyTorch, that is 150 MB in 70 pages instead of 37,000: a fork takes 1 ms instead of 7.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, rights, _, _, inode, *name = line.split()
        if rights.startswith("rw") and inode == "0" and name in ([], ["[heap]"]):
            start, end = (int(part, 16) for part in place.split("-"))
            start = -(-start // libc.HUGE_PAGE) * libc.HUGE_PAGE
            end = end // libc.HUGE_PAGE * libc.HUGE_PAGE
            if start < end:
                libc.collapse(start, end - start)


def _preload(names: list[str]) -> dict[str, float]:
    """Imports what can be imported; returns seconds per package."""
    seconds = {}
    for name in names:
        started = time.perf_counter()
        # What fails here fails again in the job that imports it, and is told there.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
            seconds[name] = round(time.perf_counter() - started, 3)
    if names:
        _preload_harness()
    return seconds


def _preload_harness() -> None:
    """Imports every harness module of this side; the other side's fail for want of its package."""
    package = importlib.import_module("harness")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith(("_", "selftest_")):
            with contextlib.suppress(Exception):
                importlib.import_module(f"harness.{module.name}")


def _forget_exit_handlers() -> None:
    """Leaves a job only the handlers that can matter to it.

    Those of the imported packages take them apart, which costs a fork more than most jobs do.
    """
    atexit._clear()
    for name, handler in (("multiprocessing.util", "_exit_function"), ("logging", "shutdown")):
        if name in sys.modules:
            atexit.register(getattr(sys.modules[name], handler))


def _fork_on_demand(asked: socket.socket, *, gather: bool) -> None:
    running: dict[int, int] = {}
    wakeup = steward.wake_on_child()
    # Forks go into a box's pid namespace; this leads back to our own.
    home = os.pidfd_open(os.getpid())
    watched: list[Any] = [wakeup, asked]
    while True:
        ready, _, _ = select.select(watched, [], [], _IDLE_S if gather else None)
        if not ready:
            _gather_memory()
            gather = False
        if wakeup in ready:
            os.read(wakeup, 4096)
            _tell_ends(running)
        if asked in ready:
            message, descriptors, _, _ = socket.recv_fds(asked, 256, 16)
            if not message:
                return
            request = json.loads(message)
            init, ends, group = descriptors[0], descriptors[1:6], descriptors[6:]
            pipes = dict(zip(("go", "status", "out", "err", "ready"), ends, strict=True))
            child = _fork_into(init, home, pipes, group, request)
            if child:
                running[child] = os.dup(pipes["status"])
            for descriptor in descriptors:
                os.close(descriptor)


def _fork_into(
    init: int, home: int, pipes: dict[str, int], group: list[int], request: dict[str, Any]
) -> int:
    """Forks a payload into the box of `init` (a pidfd); returns 0 when the box is gone."""
    try:
        libc.setns(init, libc.NEWPID)
        child = os.fork()
    except OSError as error:
        os.write(pipes["ready"], str(error).encode())
        child = 0
    else:
        if child == 0:
            try:
                steward.sleep_on_children()
                libc.setns(init, _BOX)
                payload.become(pipes, group, request["uid"], request["proc"], gpu=request["gpu"])
            finally:
                os._exit(1)
    libc.setns(home, libc.NEWPID)
    return child


def _tell_ends(running: dict[int, int]) -> None:
    """Tells each ended payload's supervisor how it ended."""
    while True:
        try:
            pid, code, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        status = running.pop(pid)
        try:
            seconds = used.ru_utime + used.ru_stime
            os.write(status, END.pack(code, seconds, used.ru_maxrss))
        except BrokenPipeError:
            pass
        finally:
            os.close(status)
