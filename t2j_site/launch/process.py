"""Children that end with their parent, on Linux also when the parent is killed with SIGKILL."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LaunchError

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_INNER_ID = 1000
_TAIL_LINES = 15
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int, death_signal: int) -> None:
    """Called in a fresh child: the kernel sends `death_signal` when the parent is gone."""
    if sys.platform != "linux":
        return
    _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it went before the line above
        os._exit(1)


def enter_user_namespace() -> None:
    """Called in a fresh child of root: to programs that refuse root it is an ordinary user.

    Files keep their owner: outside the namespace the process still is root.
    """
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INNER_ID} {uid} 1"),
        ("gid_map", f"{_INNER_ID} {gid} 1"),
    ):
        handle = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(handle, text.encode())
        os.close(handle)


def user_namespace_works() -> bool:
    """Tries it in a child."""
    pid = os.fork()
    if pid == 0:
        try:
            enter_user_namespace()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


@dataclass
class Child:
    """A program we started, with its log. `become` runs in the child before the program."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    become: Callable[[], None] | None = None
    shows_output: bool = False  # on our terminal; its errors still go to the log
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C reaches only the launcher."""
        parent = os.getpid()

        def prepare() -> None:
            if self.become:
                self.become()
            # After `become`: a change of user clears the parent-death signal.
            die_with(parent, self.death_signal)

        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    self.argv,
                    env=self.env,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=None if self.shows_output else log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=prepare,  # noqa: PLW1509 (the launcher has one thread)
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise LaunchError(f"{self.name} cannot be started ({error}).") from error

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.process and self.alive():
            self.process.send_signal(self.stop_signal)

    def wait_stopped(self, deadline: float) -> None:
        """Waits until the monotonic time `deadline`, then kills the whole session."""
        if not self.process:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(deadline - time.monotonic(), 0.05))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, grace_s: float = 10.0) -> None:
        self.ask_to_stop()
        self.wait_stopped(time.monotonic() + grace_s)

    def failure(self, what: str) -> LaunchError:
        """The sentence for a person, with the end of the log."""
        code = self.process.poll() if self.process else None
        ended = f" (exit code {code})" if code is not None else ""
        return LaunchError(f"{self.name} {what}{ended}. {log_tail(self.log)}")


def on_terminal(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """A program that has our terminal for itself and is told to end when we are killed."""
    parent = os.getpid()
    return subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        preexec_fn=lambda: die_with(parent, signal.SIGTERM),  # noqa: PLW1509 (one thread)
    )


def log_tail(log: Path) -> str:
    """The log's path and last lines, for error messages."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        lines = []
    if not lines:
        return f"Its log {log} is empty."
    return f"The end of its log {log}:\n" + "\n".join(f"    {line}" for line in lines)
