"""The programs of the site, as children: commands, web, workers."""

import hashlib
import os
import signal
import sys
from collections.abc import Mapping

from executor.sandbox import devices

from . import paths
from .folder import OWNER_VARIABLE, Folder
from .process import Child

_MEMORY_PER_WORKER_GB = 4


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(paths.ROOT / "manage.py"), *arguments]


def preparation(database_url: str) -> str:
    """Changes whenever the database has to be made ready before a page may be shown."""
    files = [*paths.ROOT.glob("*/migrations/*.py"), paths.ROOT / "requirements/constraints.txt"]
    digest = hashlib.sha256(database_url.rsplit("@", maxsplit=1)[-1].encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def prepare(folder: Folder, env: Mapping[str, str]) -> Child:
    """Migrates, makes the first account, loads the sample dataset."""
    return Child(
        name="Preparing the database",
        argv=[sys.executable, "-m", "t2j_site.launch.prepare"],
        log=folder.log("prepare"),
        env=_owned(folder, env),
        cwd=paths.ROOT,
        shows_output=True,
    )


def request_sample_runs(folder: Folder, env: Mapping[str, str]) -> Child:
    """Asks for the sample's runs and ends; what has a verdict is not run again."""
    return Child(
        name="Verifying the sample dataset",
        argv=command("run_dataset", "sample"),
        log=folder.log("sample"),
        env=_owned(folder, env),
        cwd=paths.ROOT,
    )


def web(folder: Folder, env: Mapping[str, str], host: str, port: int) -> Child:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Child(
        name="The web server",
        argv=[
            *(sys.executable, "-m", "gunicorn", "t2j_site.wsgi:application"),
            *("--config", "python:t2j_site.launch.gunicorn_conf"),
            *("--bind", address),
            *("--worker-tmp-dir", str(folder.run)),
        ],
        log=folder.log("web"),
        env=_owned(folder, env),
        cwd=paths.ROOT,
    )


def worker(folder: Folder, env: Mapping[str, str], name: str = "worker") -> Child:
    return _worker("The worker", folder, env, name, "--concurrency", str(concurrency()))


def gpu_worker(folder: Folder, env: Mapping[str, str]) -> Child:
    """Serves the runs that want a GPU."""
    return _worker(
        *("The GPU worker", folder, env, "gpu-worker"),
        *("--queues", "gpu", "--concurrency", str(gpu_concurrency())),
    )


def asker(folder: Folder, env: Mapping[str, str]) -> Child:
    """Has language models asked, apart from the runs: it waits far more than it computes."""
    return _worker(
        *("The asker", folder, env, "asker"),
        *("--queues", "llm", "--pool", "threads", "--concurrency", "4"),
    )


def _worker(what: str, folder: Folder, env: Mapping[str, str], name: str, *options: str) -> Child:
    return Child(
        name=what,
        argv=[
            *(sys.executable, "-m", "t2j_site.launch.worker"),
            *(*options, "--hostname", f"{name}@%h"),
        ],
        log=folder.log(name),
        env=_owned(folder, env),
        cwd=paths.ROOT,
        # Cold shutdown: what it was doing goes back to the queue instead of being waited for.
        stop_signal=signal.SIGQUIT,
    )


def concurrency() -> int:
    """Runs at a time: T2J_WORKERS, else as many as cores and memory allow."""
    if given := os.environ.get("T2J_WORKERS"):
        return max(int(given), 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(1, min(cores or 1, int(memory_gb // _MEMORY_PER_WORKER_GB)))


def gpu_concurrency() -> int:
    """GPU runs at a time, 0 without one: T2J_GPU_WORKERS, else one for each place on a GPU."""
    if given := os.environ.get("T2J_GPU_WORKERS"):
        return max(int(given), 0)
    return len(devices.found()) * devices.runs_per_gpu()


def _owned(folder: Folder, env: Mapping[str, str]) -> dict[str, str]:
    """Marked, so that the next start finds what a killed one left."""
    return dict(env) | {OWNER_VARIABLE: str(folder.path)}
