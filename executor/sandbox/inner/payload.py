"""Process 1 of a box, and the process that gives up its rights and runs the entry."""

import atexit
import contextlib
import fcntl
import importlib
import io
import json
import os
import random
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from . import libc, room, seccomp
from .watch import CACHE

_CORES = 2


def be_init(ready: int, has_proc: bool) -> NoReturn:
    """Process 1 of the box: adopts and reaps what the payload leaves; killing it ends all."""
    try:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if has_proc:
            flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
            libc.mount("proc", "/proc", "proc", flags)
    except BaseException as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    # Looks after orphans only; nothing of the supervisor's may stay open in here.
    os.closerange(3, 1 << 20)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def become(
    pipes: dict[str, int],
    group: list[int],
    uid: int,
    has_proc: bool,
    *,
    contained: bool = False,
    gpu: bool = False,
) -> NoReturn:
    """Gives up every right, waits for the job's head on `go`, and runs it.

    In a container (`contained`), which holds memory and processes, there is no user namespace.
    CUDA (`gpu`) opens no device without anonymous shared memory.
    """
    ready = pipes["ready"]
    try:
        os.setsid()
        if group:
            os.write(group[0], b"0")
        null = os.open("/dev/null", os.O_RDONLY)
        wanted = (null, pipes["out"], pipes["err"], ready, pipes["go"])
        # Moved out of the way first: a number used twice would close what it should keep.
        sources = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in wanted]
        for target, source in enumerate(sources):
            os.dup2(source, target, inheritable=target <= 2)
        ready = 3
        os.closerange(5, 1 << 20)
        os.chdir("/work")
        os.umask(0o022)
        _limit_cores()
        if has_proc:
            Path("/proc/self/oom_score_adj").write_text("1000")
        if contained:
            libc.drop_bounding_set()
        _change_user(uid)
        if not contained:
            _enter_own_users(uid, has_proc)
        _refuse_rights(shared_memory=contained or gpu or bool(group))
    except BaseException as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os.close(ready)
    with os.fdopen(4, "rb") as go:
        line = go.readline()
    if not line:
        os._exit(1)
    head = json.loads(line)
    _set_limits(head["limits"], memory=not (group or has_proc), contained=contained)
    os._exit(_execute(head["entry"], head["cache"]))


def _limit_cores() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > _CORES:
        os.sched_setaffinity(0, random.sample(allowed, _CORES))


def _set_limits(limits: dict[str, Any], *, memory: bool, contained: bool) -> None:
    """`memory`: whether nobody else holds the job's; `contained`: whether a container holds it."""
    cpu = int(limits["cpu_s"]) + 1
    wanted = {
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (limits["work_mb"] << 20,) * 2,
        resource.RLIMIT_NOFILE: (limits["open_files"],) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
    }
    if not contained:
        # Counted per user of the host, and gVisor's kernel lets nobody set the last two.
        wanted[resource.RLIMIT_NPROC] = (limits["processes"],) * 2
        wanted[resource.RLIMIT_MSGQUEUE] = (0, 0)
        wanted[resource.RLIMIT_SIGPENDING] = (1024, 1024)
    if memory:
        wanted[resource.RLIMIT_DATA] = (limits["memory_mb"] << 20,) * 2
    for what, pair in wanted.items():
        ceiling = resource.getrlimit(what)[1]
        unlimited = ceiling == resource.RLIM_INFINITY
        resource.setrlimit(
            what, pair if unlimited else (min(pair[0], ceiling), min(pair[1], ceiling))
        )


def _change_user(uid: int) -> None:
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc.prctl(libc.PR_SET_DUMPABLE, 1)


def _enter_own_users(uid: int, has_proc: bool) -> None:
    """A user namespace that owns none of the other namespaces: no right in it reaches them."""
    libc.unshare(libc.NEWUSER)
    if has_proc:
        room.write_own_maps(f"{room.BOX_UID} {uid} 1", f"{room.BOX_UID} {uid} 1")
    libc.drop_bounding_set()
    libc.lock_capabilities()


def _refuse_rights(*, shared_memory: bool) -> None:
    libc.drop_capabilities()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    libc.install_filter(seccomp.program(shared_memory=shared_memory))


def _execute(entry: str, cache: bool) -> int:
    """Runs `harness.<entry>.main()` as a program would run; returns its exit code."""
    sys.argv = [f"harness.{entry}"]
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = _text(1)
    sys.stderr = _text(2)
    if cache:
        _use_cache()
    code = 0
    try:
        module = importlib.import_module(f"harness.{entry}")
        module.main()
    except SystemExit as stop:
        code = _exit_code(stop.code)
    except BaseException:
        traceback.print_exc()
        code = 1
    _finish()
    return code & 0xFF


def _text(descriptor: int) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _exit_code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    print(value, file=sys.stderr)
    return 1


def _finish() -> None:
    """What an interpreter does at its end, without taking the imported packages apart."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:
        traceback.print_exc()


def _use_cache() -> None:
    settings: dict[str, str | int | float] = {
        "jax_compilation_cache_dir": CACHE,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    os.environ.update({name.upper(): str(value) for name, value in settings.items()})
    jax = sys.modules.get("jax")
    if jax is not None:
        for name, value in settings.items():
            jax.config.update(name, value)
