"""PostgreSQL refuses root: each way to give it another user, tried where the tests are root."""

import encodings.idna  # noqa: F401 (see redis below)
import os
import traceback
from pathlib import Path

import psycopg
import pytest
import redis  # loaded before the user changes: Python's own folder may be closed to others

from t2j_site.launch import paths, process
from t2j_site.launch.errors import LaunchError
from t2j_site.launch.folder import Folder
from t2j_site.launch.services import Services

_NOBODY = 65534


def open_to_others(path: Path) -> bool:
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
reachable = pytest.mark.skipif(
    not open_to_others(paths.venv()), reason="other users cannot reach this checkout"
)


def answers(folder: Folder) -> bool:
    services = Services.of(folder, fast=True)
    try:
        services.start(print)
        with psycopg.connect(services.database_url) as connection:
            one = connection.execute("SELECT 1").fetchone()
        with redis.Redis.from_url(services.broker_url) as client:
            return one == (1,) and bool(client.ping())
    finally:
        services.stop()


@as_root
@reachable
def test_ordinary_user(folder: Folder) -> None:
    folder.path.chmod(0o755)
    for path in (folder.path, folder.run, folder.logs):
        os.chown(path, _NOBODY, _NOBODY)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            code = 0 if answers(folder) else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert (folder.path / "postgres").stat().st_uid == _NOBODY


@as_root
@reachable
def test_root_with_and_without_user_namespaces_on_one_folder(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    if process.user_namespace_works():
        assert answers(folder)
        assert (folder.path / "postgres").stat().st_uid == 0
    monkeypatch.setattr(process, "user_namespace_works", lambda: False)
    assert answers(folder)
    assert (folder.path / "postgres").stat().st_uid == _NOBODY


@as_root
def test_without_user_namespaces_in_a_closed_folder(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.path.parent.chmod(0o700)
    monkeypatch.setattr(process, "user_namespace_works", lambda: False)
    with pytest.raises(LaunchError, match=r"may not enter .*DATABASE_URL"):
        answers(folder)
