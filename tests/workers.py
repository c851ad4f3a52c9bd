"""Real Celery workers on the test database."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.db import connection


def environment(broker: str = "") -> dict[str, str]:
    """What a process needs to work on the test database; `broker` replaces BROKER_URL."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    env = os.environ | {"DATABASE_URL": url._replace(path=f"/{name}").geturl()}
    return env | {"BROKER_URL": broker} if broker else env


@contextmanager
def worker(log: Path, *, broker: str = "", concurrency: int = 1) -> Iterator[psutil.Popen]:
    """A worker process of its own."""
    with log.open("ab") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "t2j_site.launch.worker", "-c", str(concurrency)],
            env=environment(broker),
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def unreaped_orphans() -> Iterator[None]:
    """As in a container whose first process reaps nobody: killed workers' children stay zombies."""
    adopt_orphans, libc, me = 36, ctypes.CDLL(None), psutil.Process()
    ours = set(me.children())
    libc.prctl(adopt_orphans, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(adopt_orphans, 0, 0, 0, 0)
        for orphan in set(me.children()) - ours:
            with contextlib.suppress(ChildProcessError, psutil.NoSuchProcess):
                orphan.kill()
                os.waitpid(orphan.pid, 0)


def kill_all(process: psutil.Process) -> None:
    """Kill -9 of a worker and everything below it."""
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def stop(process: psutil.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        process.kill()
        process.wait()
