"""Servers of a test's own, to be killed: a database with its broker, and a worker on them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString, Protocol

import psutil
import psycopg
from django.conf import settings
from kombu import Connection
from kombu.exceptions import KombuError

from t2j_site.launch.errors import LaunchError
from t2j_site.launch.folder import Folder
from t2j_site.launch.ports import free_port
from t2j_site.launch.postgres import Postgres
from t2j_site.launch.process import Child
from t2j_site.launch.services import environment
from t2j_site.launch.valkey import Valkey
from tests.waiting import until

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class Server(Protocol):
    """What can be started, and started again after it was killed."""

    child: Child | None

    @property
    def url(self) -> str: ...

    def start(self) -> object: ...

    def wait_ready(self, say: Callable[[str], None]) -> None: ...


class RabbitMQ:
    """A node of RabbitMQ on a port of its own, with its queues on disk."""

    def __init__(self, folder: Folder) -> None:
        self.home = folder.path / "rabbitmq"
        self.home.mkdir()
        self.port = free_port()
        self.child: Child | None = Child(
            name="RabbitMQ",
            argv=[str(RABBITMQ)],
            log=folder.log("rabbitmq"),
            env=dict(os.environ) | self._settings(),
        )

    def _settings(self) -> dict[str, str]:
        home = str(self.home)
        return {
            "HOME": home,
            "RABBITMQ_NODENAME": f"t2j-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{home}/none",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/none",
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        assert self.child is not None
        self.child.start()

    def wait_ready(self, say: Callable[[str], None]) -> None:
        until(self._answers)

    def _answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=5) as connection:
                connection.ensure_connection(max_retries=1, timeout=5)
        except (OSError, KombuError):
            return False
        return True


def kill(server: Server) -> None:
    """Kill -9 of a server with everything it started."""
    assert server.child is not None
    assert server.child.process is not None
    os.killpg(server.child.process.pid, signal.SIGKILL)
    server.child.process.wait()


def start(server: Server) -> None:
    """As the launcher does: again, while what a killed one left behind still ends."""
    until(lambda: _started(server))


def _started(server: Server) -> bool:
    try:
        server.start()
        server.wait_ready(print)
    except LaunchError as error:
        print(error)
        return False
    return True


class Site:
    """A database and a broker of a test's own, and what works on them."""

    def __init__(self, folder: Folder, broker: Server) -> None:
        self.folder, self.broker = folder, broker
        self.database: Server = Postgres(folder)
        self.env = environment(folder, self.database.url, self.broker.url)

    def stop(self) -> None:
        for server in (self.database, self.broker):
            with contextlib.suppress(ProcessLookupError, AssertionError):
                kill(server)

    def manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, env=self.env, cwd=settings.BASE_DIR, check=True)

    def ask(self, query: LiteralString) -> Any:
        """The first value that a query of the database finds."""
        with psycopg.connect(self.database.url) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def worker(self) -> psutil.Popen:
        """A worker of two processes; whoever starts it ends it."""
        with (self.folder.path / "logs" / "worker.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", "t2j_site.launch.worker", "-c", "2"],
                env=self.env,
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=log,
            )


@contextmanager
def site(broker: Callable[[Folder], Server]) -> Iterator[Site]:
    parent = Path(tempfile.mkdtemp(prefix="t2j-"))
    parent.chmod(0o711)
    folder = Folder(parent / "d")
    folder.prepare()
    here = Site(folder, broker(folder))
    try:
        start(here.database)
        start(here.broker)
        yield here
    finally:
        here.stop()
        shutil.rmtree(parent, ignore_errors=True)


def valkey(folder: Folder) -> Server:
    """Without its log on disk: killed, it forgets all messages."""
    return Valkey(folder, fast=True)
