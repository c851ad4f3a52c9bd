import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from t2j_site.launch import postgres as module
from t2j_site.launch.errors import LaunchError
from t2j_site.launch.folder import Folder
from t2j_site.launch.postgres import Postgres


@pytest.fixture
def server(folder: Folder) -> Iterator[Postgres]:
    server = started(Postgres(folder, fast=True))
    yield server
    assert server.child
    server.child.stop()


def started(server: Postgres) -> Postgres:
    server.start()
    server.wait_ready(print)
    return server


@pytest.fixture
def durable(folder: Folder) -> Iterator[Postgres]:
    server = started(Postgres(folder))
    yield server
    assert server.child
    server.child.stop()


def test_rows_survive_kill_9_of_the_server(durable: Postgres) -> None:
    server = durable
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    assert server.child
    assert server.child.pid
    os.kill(server.child.pid, signal.SIGKILL)
    assert server.child.process
    server.child.process.wait()

    started(server)

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_it_is_reached_only_by_a_private_socket_with_the_password(server: Postgres) -> None:
    assert stat.S_IMODE(server.folder.run.stat().st_mode) == 0o700
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
    wrong = server.url.replace(server._password(), "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_text_sorts_and_folds_as_unicode(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT lower('ÄÖÜ')").fetchone() == ("äöü",)


def test_lock_of_a_dead_server_with_a_reused_process_number(server: Postgres) -> None:
    assert server.child
    server.child.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")

    started(server)

    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_killed_initdb_leaves_nothing_in_the_way(folder: Folder) -> None:
    half = folder.path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = Postgres(folder, fast=True)
    try:
        started(server)
        assert not half.exists()
    finally:
        assert server.child
        server.child.stop()


def test_a_path_too_long_for_a_socket(folder: Folder) -> None:
    deep = Folder(folder.path / ("x" * 60) / ("y" * 60))
    deep.prepare()
    server = Postgres(deep, fast=True)
    try:
        started(server)
        assert "@127.0.0.1:" in server.url
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        assert server.child
        server.child.stop()


def test_data_of_another_version_is_refused_with_what_to_do(folder: Folder) -> None:
    data = folder.path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(LaunchError, match=r"is of PostgreSQL 9, and only .*Install postgresql-9"):
        Postgres(folder).start()


def test_no_programs_at_all(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_wheel", list)
    monkeypatch.setattr(module, "Path", lambda _: Path("/nowhere"))
    with pytest.raises(LaunchError, match="set DATABASE_URL to a server"):
        module._binaries(None)
