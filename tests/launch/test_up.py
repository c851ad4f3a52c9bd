"""The whole studio, started, hurt, killed and started again, as a person would see it."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2j_site.launch import paths, up
from t2j_site.launch.folder import Folder
from t2j_site.launch.ports import free_port
from t2j_site.launch.process import enter_user_namespace, user_namespace_works
from tests.waiting import until

from .conftest import new_folder


class Studio:
    """A running `./t2j up` and what a person can ask about it."""

    def __init__(self, folder: Folder, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.process = t2j(folder, "up", "--port", str(self.port), *options)
        until(self.is_ready)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()[0]
        state = self.folder.state()
        return state is not None and bool(state.url) and self.answers()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as page:
                return bool(page.status == 200)
        except OSError:
            return False

    def status(self) -> dict[str, dict[str, dict[str, int]]]:
        said = t2j(self.folder, "status", "--json").communicate(timeout=120)[0]
        assert ":" + self.secret() not in said
        return dict(json.loads(said))

    def secret(self) -> str:
        return (self.folder.path / "postgres-password").read_text()

    def pid(self, name: str) -> int:
        return self.status()["children"][name]["pid"]

    def runs(self, name: str, other_than: int) -> bool:
        child = self.status()["children"][name]
        return bool(child["alive"]) and child["pid"] != other_than


def t2j(folder: Folder, command: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(paths.ROOT / "t2j"), command, "--data", str(folder.path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    given = ("DATABASE_URL", "BROKER_URL", "T2J_SECRET_KEY_FILE", "T2J_DATA")
    kept = {name: os.environ.pop(name) for name in given if name in os.environ}
    with new_folder() as folder:
        studio = Studio(folder)
        yield studio
        studio.process.kill()
    os.environ.update(kept)


def test_everything_runs_and_only_the_owner_reads_the_password(studio: Studio) -> None:
    status = studio.status()
    assert status["running"]
    children = status["children"]
    assert set(children) == {"postgres", "valkey", "web", "worker", "asker"}
    assert all(child["alive"] for child in children.values())
    password = studio.folder.path / "admin-password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600


def test_a_second_start_says_where_the_first_serves(studio: Studio) -> None:
    second = t2j(studio.folder, "up", "--port", str(free_port()))
    said = second.communicate(timeout=120)[0]
    assert second.returncode == 1
    assert f"http://127.0.0.1:{studio.port}/" in said
    assert "./t2j stop" in said
    until(studio.answers)


def test_commands_use_the_running_services(studio: Studio) -> None:
    code = "from django.contrib.auth.models import User; print(User.objects.get().username)"
    said = t2j(studio.folder, "manage", "shell", "--no-imports", "-c", code).communicate(
        timeout=120
    )
    assert said[0].splitlines()[-1] == "admin"


@pytest.mark.parametrize("name", ["valkey", "postgres", "worker", "web"])
def test_what_crashes_is_started_again(studio: Studio, name: str) -> None:
    before = studio.pid(name)
    os.kill(before, signal.SIGKILL)
    until(lambda: studio.runs(name, other_than=before))
    until(studio.answers)


def test_kill_9_of_the_launcher_leaves_nothing_and_the_next_start_recovers(studio: Studio) -> None:
    workers = _descendants(studio.process.pid)
    assert len(workers) > 5
    studio.process.kill()
    studio.process.wait()
    until(lambda: not _running(workers), says=lambda: _running(workers))
    assert studio.folder.leftovers() == {}

    again = Studio(studio.folder)
    assert "Account admin is there" in _said_by_stopping(again)


def _said_by_stopping(studio: Studio) -> str:
    stopped = t2j(studio.folder, "stop").communicate(timeout=120)[0]
    assert "Stopped what ran" in stopped
    assert studio.process.wait(5) == 0
    assert studio.folder.leftovers() == {}
    return studio.process.communicate()[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_swallows_is_heard(folder: Folder) -> None:
    class Cleared:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        up._listen_for_signals()
        Cleared()
        with pytest.raises(up._StopRequested):
            up._Studio(folder, "127.0.0.1", 1)._look_after()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        up._ASKED_TO_STOP.clear()


def test_a_port_in_use_starts_nothing(folder: Folder) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = t2j(folder, "up", "--port", str(port))
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert f"Port {port} is in use" in said
    assert not (folder.path / "postgres").exists()


@pytest.mark.skipif(not user_namespace_works(), reason="this machine has none to take away")
def test_a_machine_without_user_namespaces(folder: Folder) -> None:
    process = subprocess.Popen(
        [sys.executable, str(paths.ROOT / "t2j"), "up", "--data", str(folder.path)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_without_user_namespaces,  # noqa: PLW1509 (one libc call)
    )
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "Programs cannot be run safely on this machine" in said
    assert "user namespaces" in said
    assert not (folder.path / "postgres").exists()


def _without_user_namespaces() -> None:
    enter_user_namespace()
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def _descendants(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")")[-1].split()[1])
        except OSError:
            continue
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


def _running(pids: list[int]) -> dict[int, str]:
    return {pid: _line(pid) for pid in pids if _runs(pid)}


def _line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
