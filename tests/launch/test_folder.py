import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from t2j_site.launch import folder as module
from t2j_site.launch.errors import LaunchError
from t2j_site.launch.folder import OWNER_VARIABLE, Folder, State
from tests.waiting import until


def state(**changes: object) -> State:
    values = {"kind": "up", "pid": os.getpid(), "token": "a", "command": "up"}
    return State(**(values | {"database_url": "d", "broker_url": "b"} | changes))  # type: ignore[arg-type]


def test_one_owner_at_a_time(folder: Folder) -> None:
    with folder.owner() as first, folder.owner() as second:
        assert (first, second) == (True, False)
        assert folder.owner_pid() == os.getpid()
    assert folder.owner_pid() is None


def test_guests_join_only_the_services_they_saw(folder: Folder) -> None:
    folder.tell(state(token="old"))
    with folder.user("old") as joined:
        assert joined
    folder.tell(state(token="new"))
    with folder.user("old") as joined:
        assert not joined


def test_a_dead_owner_tells_nothing(folder: Folder) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    folder.tell(state(pid=dead.pid))
    until(lambda: folder.state() is None)  # nobody waits for it: it stays a zombie
    dead.wait()
    assert folder.state() is None


def test_state_and_secrets_are_private(folder: Folder) -> None:
    folder.tell(state())
    files = [folder.run / "state.json", folder.secret("secret-key")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert folder.secret("secret-key").read_text() == files[1].read_text()


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match=r"cannot be written .*--data DIR"):
        Folder(tmp_path / "file" / "data").prepare()


def test_no_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FREE_MB", 1e12)
    with pytest.raises(LaunchError, match="No disk space"):
        Folder(tmp_path).prepare()


def test_logs_of_the_last_five_starts_are_kept(folder: Folder) -> None:
    for start in range(8):
        folder.log("web").write_text(f"start {start}")
        folder.rotate_logs()
    kept = {file.name: file.read_text() for file in folder.logs.iterdir()}
    assert kept == {f"web.log.{n}": f"start {8 - n}" for n in range(1, 6)}


def test_leftovers_of_a_killed_owner_are_ended(folder: Folder) -> None:
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=os.environ | {OWNER_VARIABLE: str(folder.path)},
    )
    until(lambda: left.pid in folder.leftovers())
    folder.end_leftovers()
    assert left.wait(5) == -signal.SIGKILL
