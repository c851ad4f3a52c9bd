"""Data folders with short paths, and launchers started as a person would."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from t2j_site.launch import paths
from t2j_site.launch.folder import Folder

_GIVEN = ("DATABASE_URL", "BROKER_URL", "T2J_SECRET_KEY_FILE", "T2J_DATA")


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services of the test run itself must not be used."""
    for name in _GIVEN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder() -> Iterator[Folder]:
    with new_folder() as made:
        yield made


@contextmanager
def new_folder() -> Iterator[Folder]:
    """An empty data folder that other users may reach; pytest's own are too deep and closed."""
    parent = Path(tempfile.mkdtemp(prefix="t2j-"))
    parent.chmod(0o711)
    folder = Folder(parent / "d")
    folder.prepare()
    yield folder
    for pid in folder.leftovers():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def launcher() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `./t2j ...`; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(paths.ROOT / "t2j"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
