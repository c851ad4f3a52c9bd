"""`./t2j manage` as a person types it, on its own services and on those of another command."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from t2j_site.launch import manage, paths
from t2j_site.launch.folder import Folder
from tests.waiting import until

Launcher = Callable[..., subprocess.Popen[str]]
_WAIT_FOR = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.05)\n"
_QUERY = "from django.db import connection as c; k = c.cursor(); k.execute('SELECT 6*7'); "


def shell(folder: Folder, code: str) -> list[str]:
    return ["manage", "--data", str(folder.path), "shell", "--no-imports", "-c", code]


def test_commands_share_services_and_leave_none(folder: Folder, launcher: Launcher) -> None:
    release = str(folder.path / "release")
    first = launcher(*shell(folder, _WAIT_FOR.format(release) + _QUERY + "print(k.fetchone())"))
    until(folder.state)
    state = folder.state()
    assert state
    assert (state.kind, state.command) == ("manage", "manage shell")

    guest = launcher(*shell(folder, _QUERY + "print(k.fetchone())"))
    assert last_line(guest) == "(42,)"
    assert first.poll() is None

    late = launcher(*shell(folder, _WAIT_FOR.format(release + "2") + _QUERY + "print('late')"))
    until(lambda: "late" in _commands_of(late.pid))
    Path(release).touch()
    assert first.poll() is None  # its services are still in use
    Path(release + "2").touch()
    assert last_line(late) == "late"
    assert last_line(first) == "(42,)"
    assert folder.leftovers() == {}
    assert folder.owner_pid() is None


def last_line(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=120)[0].splitlines()[-1]


def _commands_of(parent: int) -> str:
    """The command lines of a process's children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"PPid:\t{parent}\n" in (entry / "status").read_text():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return " ".join(found)


def test_exit_codes_come_through(folder: Folder, launcher: Launcher) -> None:
    process = launcher(*shell(folder, "raise SystemExit(7)"))
    assert process.wait(30) == 7


def test_commands_without_services_start_none(
    folder: Folder, launcher: Launcher, tmp_path: Path
) -> None:
    process = launcher("manage", "--data", str(tmp_path / "never"), "version")
    assert last_line(process).startswith("5.")
    assert not (tmp_path / "never").exists()


def test_what_a_command_wants_is_read_from_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = tmp_path / "app" / "management" / "commands"
    commands.mkdir(parents=True)
    (commands / "light.py").write_text("class Command:\n    needs_services: bool = False\n")
    (commands / "busy.py").write_text("class Command:\n    needs_workers = True\n")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert not manage._wants("light", "needs_services", default=True)
    assert manage._wants("busy", "needs_services", default=True)
    assert manage._wants("busy", "needs_workers", default=False)
    assert not manage._wants("other", "needs_workers", default=False)


def test_a_database_of_another_kind_is_refused(
    folder: Folder, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://somewhere/t2j")
    process = launcher(*shell(folder, "pass"))
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "DATABASE_URL must start with postgres://" in said


def test_servers_that_do_not_answer(
    folder: Folder, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://t2j@127.0.0.1:9/t2j")
    process = launcher(*shell(folder, "pass"))
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "The database that DATABASE_URL names does not answer" in said
    assert folder.leftovers() == {}
