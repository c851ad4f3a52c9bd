"""The sandbox as an ordinary user, in a container's place, and where it cannot be had."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor import runtimes

from .expected import FOLDER, Ended, Expected

PYTHON = "/usr/bin/python3"
USER = 61777
SCRIPT = Path(__file__).with_name("run_all.py")


def _system_python_is_new_enough() -> bool:
    check = "import sys, tomllib"
    return (
        Path(PYTHON).exists() and not subprocess.run([PYTHON, "-c", check], check=False).returncode
    )


needs_two_users = pytest.mark.skipif(
    os.geteuid() != 0 or not _system_python_is_new_enough() or not shutil.which("setpriv"),
    reason="needs root, setpriv and a system Python 3.11 that another user can start",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user can reach: pytest closes its own to others."""
    with tempfile.TemporaryDirectory(prefix="t2j-users-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _runtime_for_anyone(folder: Path) -> Path:
    """A jax runtime whose interpreter is the system's, so that any user may start it."""
    prefix = folder / "jax"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(PYTHON)
    (prefix / "lib").symlink_to(runtimes.load("jax").prefix / "lib")
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return folder


def _as_user(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    who = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    cache = folder / "compile-cache"
    cache.mkdir(exist_ok=True)
    os.chown(cache, USER, USER)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "T2J_RUNTIMES": str(folder),
        "T2J_COMPILE_CACHE": str(cache),
    }
    return subprocess.run(
        [*who, *command], env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_two_users
def test_every_hostile_program_is_contained_for_an_ordinary_user(folder: Path) -> None:
    told = _json(_as_user(_runtime_for_anyone(folder), PYTHON, "-B", str(SCRIPT)))
    for name, (*values, isolation) in told.items():
        Expected.read((FOLDER / f"{name}.py").read_text()).check(Ended(*values))
        assert isolation == "namespaces+seccomp+rlimits+memory-watcher"
    assert len(told) == len(list(FOLDER.glob("*.py")))


@needs_two_users
def test_the_selftest_holds_in_a_container_that_covers_proc(folder: Path) -> None:
    inside = f"mount -t tmpfs x /proc/fs && exec {PYTHON} -B {SCRIPT} selftest"
    command = ["unshare", "-Urmpf", "--mount-proc", "sh", "-c", inside]
    told = _json(_as_user(_runtime_for_anyone(folder), *command))
    assert (told["held"], told["why"]) == (True, "")
    assert told["level"] == "namespaces+seccomp+rlimits+memory-rlimit"


@needs_two_users
def test_without_user_namespaces_the_sandbox_says_what_to_do(folder: Path) -> None:
    inside = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {PYTHON} -B {SCRIPT} selftest"
    told = _json(_as_user(_runtime_for_anyone(folder), "unshare", "-Ur", "sh", "-c", inside))
    assert (told["held"], told["level"]) == (False, "none")
    assert "set sysctl user.max_user_namespaces above 0" in told["why"]
