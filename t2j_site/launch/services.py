"""Database and broker of one command: embedded, or the servers the environment names."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from executor import runtimes

from .errors import LaunchError
from .folder import OWNER_VARIABLE, Folder
from .given import BadFile, given
from .postgres import Postgres
from .process import Child
from .valkey import Valkey


@dataclass
class Services:
    """What runs, and the environment that tells Django and Celery where."""

    folder: Folder
    postgres: Postgres | None
    valkey: Valkey | None

    @classmethod
    def of(cls, folder: Folder, *, fast: bool = False) -> "Services":
        """Embedded servers unless DATABASE_URL or BROKER_URL name real ones."""
        return cls(
            folder,
            None if _given("DATABASE_URL") else Postgres(folder, fast=fast),
            None if _given("BROKER_URL") else Valkey(folder, fast=fast),
        )

    @property
    def database_url(self) -> str:
        return self.postgres.url if self.postgres else _given("DATABASE_URL")

    @property
    def broker_url(self) -> str:
        return self.valkey.url if self.valkey else _given("BROKER_URL")

    def _embedded(self) -> list[Postgres | Valkey]:
        return [service for service in (self.postgres, self.valkey) if service]

    @property
    def children(self) -> dict[str, Child]:
        embedded = {"postgres": self.postgres, "valkey": self.valkey}
        return {name: s.child for name, s in embedded.items() if s and s.child}

    def environment(self) -> dict[str, str]:
        return environment(self.folder, self.database_url, self.broker_url)

    def start(self, say: Callable[[str], None]) -> None:
        """Starts both and returns when both answer."""
        self.launch()
        self.wait_ready(say)

    def launch(self) -> None:
        """Starts both without waiting."""
        for service in self._embedded():
            service.start()

    def wait_ready(self, say: Callable[[str], None]) -> None:
        """Returns when both answer; raises LaunchError."""
        for service in self._embedded():
            service.wait_ready(say)
        if not self.postgres:
            check_database(self.database_url)
        if not self.valkey:
            check_broker(self.broker_url)

    def stop(self) -> None:
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.stop()


def environment(folder: Folder, database_url: str, broker_url: str) -> dict[str, str]:
    """The settings of every child, leaving what the person gave."""
    result = dict(os.environ)
    result |= {
        "T2J_DATA": str(folder.path),
        "T2J_RUNTIMES": str(runtimes.folder()),
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "PYTHONUNBUFFERED": "1",
    }
    if not (result.get("T2J_SECRET_KEY") or result.get("T2J_SECRET_KEY_FILE")):
        result["T2J_SECRET_KEY_FILE"] = str(folder.secret("secret-key"))
    result.pop(OWNER_VARIABLE, None)
    return result


def _given(name: str) -> str:
    try:
        return given(name)
    except BadFile as error:
        raise LaunchError(str(error)) from error


def check_database(url: str) -> None:
    """Raises LaunchError when DATABASE_URL is not a PostgreSQL that answers."""
    import psycopg

    if urlsplit(url).scheme not in ("postgres", "postgresql"):
        raise LaunchError(
            "DATABASE_URL must start with postgres://; PostgreSQL is the only database supported."
        )
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error as error:
        raise LaunchError(
            f"The database that DATABASE_URL names does not answer: {str(error).strip()}\n"
            "Mend it, or unset DATABASE_URL to use the embedded one."
        ) from error


def check_broker(url: str) -> None:
    """Raises LaunchError when BROKER_URL is not a broker that answers."""
    from kombu import Connection

    try:
        with Connection(url, connect_timeout=10) as connection:
            connection.ensure_connection(max_retries=1, timeout=10)
    except Exception as error:  # each transport has its own
        raise LaunchError(
            f"The broker that BROKER_URL names does not answer: {error}\n"
            "Mend it, or unset BROKER_URL to use the embedded one."
        ) from error
