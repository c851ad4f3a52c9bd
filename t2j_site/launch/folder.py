"""The data folder: who uses it, what runs on it, its secrets and logs. Standard library only."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .errors import LaunchError

_FREE_MB = 200
_KEPT_LOGS = 5
_LEFTOVER_GRACE_S = 10.0
OWNER_VARIABLE = "T2J_OWNER"


@dataclass(frozen=True)
class State:
    """What the owner of a data folder tells other commands, in DATA/run/state.json."""

    kind: str  # "up" or "manage"
    pid: int
    token: str
    command: str
    database_url: str
    broker_url: str
    url: str = ""
    started: float = field(default_factory=time.time)
    children: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """A data folder."""

    path: Path

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def prepare(self) -> None:
        """Makes it, private to its owner. Raises LaunchError when it cannot be used."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.run, self.logs):
                folder.mkdir(exist_ok=True, mode=0o700)
                folder.chmod(0o700)
            probe = self.run / "probe"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise LaunchError(
                f"The data folder {self.path} cannot be written ({error.strerror})."
                " Choose another one with --data DIR or T2J_DATA, or make it writable."
            ) from error
        free_mb = shutil.disk_usage(self.path).free / 1e6
        if free_mb < _FREE_MB:
            raise LaunchError(
                f"No disk space for the data folder {self.path}: {free_mb:.0f} MB are free and"
                f" {_FREE_MB} MB are needed. Free some, or choose another disk with --data DIR."
            )

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def rotate_logs(self) -> None:
        """Gives each log a number; the last five starts are kept."""
        for log in self.logs.glob("*.log"):
            if not log.stat().st_size:
                continue
            for number in range(_KEPT_LOGS, 0, -1):
                older = log.with_name(f"{log.name}.{number}")
                newer = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
                if newer.exists():
                    newer.replace(older)

    def secret(self, name: str, length: int = 50) -> Path:
        """A file that only its owner reads, with a random text made once."""
        file = self.path / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(length))
        return file

    # Who uses it. The owner runs the services; other commands may join them.

    @contextlib.contextmanager
    def owner(self) -> Iterator[bool]:
        """Yields True for the one process that may run services here."""
        with self._lock("owner.lock", fcntl.LOCK_EX) as held:
            if held:
                (self.run / "owner.pid").write_text(str(os.getpid()))
            yield held

    def owner_pid(self) -> int | None:
        """The process that owns it now, also while it starts or ends; None without one."""
        if not (self.run / "owner.lock").exists():
            return None
        with self._lock("owner.lock", fcntl.LOCK_EX) as held:
            return None if held else int((self.run / "owner.pid").read_text() or 0)

    @contextlib.contextmanager
    def user(self, token: str) -> Iterator[bool]:
        """Yields True when the services named by `token` stay until the block ends."""
        with self._lock("users.lock", fcntl.LOCK_SH) as held:
            state = self.state()
            yield held and state is not None and state.token == token

    def wait_for_users(self) -> None:
        """Called by a leaving owner once its state is gone: waits for those who joined."""
        handle = os.open(self.run / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _lock(self, name: str, kind: int) -> Iterator[bool]:
        # The kernel releases it when the process ends in any way: there are no stale locks.
        handle = os.open(self.run / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _flock(handle, kind)
        finally:
            os.close(handle)

    def state(self) -> State | None:
        """What the owner says runs here; None when there is no owner or it is not ready."""
        try:
            state = State(**json.loads((self.run / "state.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return state if alive(state.pid) else None

    def tell(self, state: State, children: dict[str, int] | None = None) -> None:
        if children is not None:
            state = replace(state, children=children)
        write_private(self.run / "state.json", json.dumps(asdict(state)))

    def tell_nothing(self) -> None:
        (self.run / "state.json").unlink(missing_ok=True)

    # What a killed owner left.

    def end_leftovers(self) -> None:
        """Called by a new owner: ends what a killed one left, databases in good order."""
        self.tell_nothing()
        deadline = time.monotonic() + _LEFTOVER_GRACE_S
        while left := self.leftovers():
            for pid, in_order in left.items():
                polite = in_order and time.monotonic() < deadline
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGINT if polite else signal.SIGKILL)
            if time.monotonic() > deadline + _LEFTOVER_GRACE_S:
                raise LaunchError(
                    f"Processes of a killed start still use {self.path} and do not end:"
                    f" {', '.join(map(str, left))}. End them (kill -9) and start again."
                )
            time.sleep(0.1)

    def leftovers(self) -> dict[int, bool]:
        """Processes started for this folder, apart from ourselves; True: it is a database."""
        mark = f"{OWNER_VARIABLE}={self.path}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            database = _works_in(entry, self.path)
            if database or _marked(entry, mark):
                found[int(entry.name)] = database
        found.pop(os.getpid(), None)
        return found


def alive(pid: int) -> bool:
    """Whether a process runs. One that ended and waits for its parent to notice does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(file: Path, text: str) -> None:
    """Writes a file of mode 0600 that is never seen half written."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    draft.replace(file)


def _works_in(entry: Path, folder: Path) -> bool:
    """Servers change into their data directory and overwrite their environment."""
    try:
        return (entry / "cwd").readlink() in (folder / "postgres", folder / "valkey")
    except OSError:
        return False


def _marked(entry: Path, mark: bytes) -> bool:
    try:
        return mark in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
