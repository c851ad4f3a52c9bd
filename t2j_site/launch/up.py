"""`up`: starts everything, keeps it running, ends it."""

import http.client
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from . import ports, programs
from .errors import LaunchError
from .folder import Folder, State, write_private
from .process import Child, on_terminal
from .services import Services

_TICK_S = 0.25
_WEB_S = 60.0
_GRACE_S = 4.0
_LONGEST_BACKOFF_S = 30.0
_HEALTHY_S = 60.0
_STARTING_S = 20.0
_WORKER_TRIES = 3
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (read here, not bound)


# Python drops what a signal raises while it clears up an object: the next look hears it then.
_ASKED_TO_STOP = threading.Event()


class _StopRequested(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP."""


def run(folder: Folder, *, port: int, serve: bool) -> int:
    """Runs until told to stop; without `serve` until the sample dataset is verified."""
    folder.prepare()
    _listen_for_signals()
    try:
        with _Owning(folder):
            return _Studio(folder, os.environ.get("T2J_HOST") or "127.0.0.1", port).run(serve=serve)
    except _StopRequested:
        return 130


class _Owning:
    """Holds the data folder; waits for commands, refuses a second studio."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        began, told = time.monotonic(), False
        while True:
            self.lock = self.folder.owner()
            if self.lock.__enter__():
                return
            self.lock.__exit__(None, None, None)
            state = self.folder.state()
            waited = time.monotonic() - began
            if state and state.kind == "up":
                raise LaunchError(_already(self.folder, state))
            if state and not told:
                _say(f"Waiting for `{state.command}` (process {state.pid}) to finish ...")
                told = True
            if not state and waited > _STARTING_S:
                raise LaunchError(
                    f"Another start on {self.folder.path} is under way or ending. Try again, or"
                    " choose another folder with --data DIR."
                )
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self.lock.__exit__(None, None, None)


def _already(folder: Folder, state: State) -> str:
    where = f"it serves {state.url}" if state.url else "it verifies the sample dataset"
    return (
        f"A studio already runs on {folder.path}: {where} (process {state.pid})."
        " Use it, end it with ./t2j stop, or choose another folder with --data DIR."
    )


@dataclass
class _Kept:
    """A child that is started again when it ends. `start` starts it anew."""

    child: Child
    start: Callable[[], object]
    failures: int = 0
    started: float = field(default_factory=time.monotonic)
    due: float | None = None

    def look(self) -> bool:
        """True when it was started again."""
        now = time.monotonic()
        if self.child.alive():
            if now - self.started > _HEALTHY_S:
                self.failures = 0
            return False
        if self.due is None:
            pause = min(0.5 * 2**self.failures, _LONGEST_BACKOFF_S)
            self.failures, self.due = self.failures + 1, now + pause
            code = self.child.process.returncode if self.child.process else None
            _say(
                f"{self.child.name} ended by itself (exit code {code}); starting it again in"
                f" {pause:.1f} s. Its log: {self.child.log}"
            )
        if now < self.due:
            return False
        self.start()
        self.started, self.due = now, None
        return True


class _Studio:
    """Everything that runs on one data folder."""

    def __init__(self, folder: Folder, host: str, port: int) -> None:
        self.folder, self.host, self.port = folder, host, port
        self.services = Services.of(folder)
        self.kept: dict[str, _Kept] = {}
        self.token, self.started = secrets.token_hex(8), time.time()

    def run(self, *, serve: bool) -> int:
        try:
            self.folder.end_leftovers()
            if serve:
                ports.check_free(self.host, self.port)
            self.folder.rotate_logs()
            if serve and self._is_prepared():
                self._start_again()
            else:
                self._start_first(serve=serve)
            self._keep("worker", programs.worker(self.folder, self._env()))
            if programs.gpu_concurrency():
                self._keep("gpu-worker", programs.gpu_worker(self.folder, self._env()))
            if serve:
                self._keep("asker", programs.asker(self.folder, self._env()))
            self._tell(serve=serve)
            if not serve:
                return self._verify_sample()
            _say(f"The studio is ready: {self._url()}   (Ctrl-C ends it)")
            programs.request_sample_runs(self.folder, self._env()).start()
            while True:
                self._look_after()
        except _StopRequested:
            _say("Stopping ...")
            return 0 if serve else 130
        finally:
            self._stop()

    def _start_first(self, *, serve: bool) -> None:
        """Nothing is shown, nor even made, before it can work."""
        _check_sandbox()
        self._launch_services()
        self.services.wait_ready(_say)
        self._prepare()
        if serve:
            self._start_web()
            self._wait_for_web()

    def _start_again(self) -> None:
        """The pages load while the servers start: a later start is ready in half the time."""
        self._launch_services()
        self._start_web()
        _check_sandbox()
        self.services.wait_ready(_say)
        self._wait_for_web()
        self._prepare()

    def _launch_services(self) -> None:
        self.services.launch()
        servers = {"postgres": self.services.postgres, "valkey": self.services.valkey}
        for name, server in servers.items():
            if server and server.child:
                self.kept[name] = _Kept(server.child, server.start)

    def _is_prepared(self) -> bool:
        file = self.folder.run / "prepared"
        return file.is_file() and file.read_text() == self._preparation()

    def _preparation(self) -> str:
        return programs.preparation(self.services.database_url)

    def _prepare(self) -> None:
        child = programs.prepare(self.folder, self._env())
        child.start()
        try:
            self._wait_for_end(child)
        finally:
            child.stop(0)
        write_private(self.folder.run / "prepared", self._preparation())

    def _start_web(self) -> None:
        self._keep("web", programs.web(self.folder, self._env(), self.host, self.port))

    def _keep(self, name: str, child: Child) -> None:
        child.start()
        self.kept[name] = _Kept(child, child.start)

    @staticmethod
    def _wait_for_end(child: Child) -> None:
        while child.alive():
            time.sleep(0.02)
        if child.process and child.process.returncode:
            raise child.failure("failed")

    def _verify_sample(self) -> int:
        process = on_terminal(programs.command("verify_sample"), self._env())
        try:
            while process.poll() is None:
                self._look_after()
                if self.kept["worker"].failures > _WORKER_TRIES:
                    raise self.kept["worker"].child.failure("keeps ending")
        finally:
            process.kill()
        return process.wait()

    def _wait_for_web(self) -> None:
        web, began = self.kept["web"].child, time.monotonic()
        while not self._web_answers():
            if not web.alive():
                raise web.failure("ended while starting")
            if time.monotonic() - began > _WEB_S:
                raise web.failure(f"did not answer within {_WEB_S:.0f} s")
            time.sleep(0.05)

    def _web_answers(self) -> bool:
        host = _REACHED_AT.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": "localhost"})
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def _look_after(self) -> None:
        if _ASKED_TO_STOP.is_set():
            raise _StopRequested
        time.sleep(_TICK_S)
        restarted = [name for name, kept in self.kept.items() if kept.look()]
        if restarted:
            self._tell(serve="web" in self.kept)

    def _tell(self, *, serve: bool) -> None:
        self.folder.tell(
            State(
                kind="up",
                pid=os.getpid(),
                token=self.token,
                command="up" if serve else "up --no-serve",
                database_url=self.services.database_url,
                broker_url=self.services.broker_url,
                url=self._url() if serve else "",
                started=self.started,
                children={name: kept.child.pid or 0 for name, kept in self.kept.items()},
            )
        )

    def _url(self) -> str:
        host = _REACHED_AT.get(self.host, self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def _env(self) -> dict[str, str]:
        return self.services.environment()

    def _stop(self) -> None:
        """Programs first: they still write to the servers."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.folder.tell_nothing()
        running = [kept.child for name, kept in self.kept.items() if not self._is_server(name)]
        for child in running:
            child.ask_to_stop()
        deadline = time.monotonic() + _GRACE_S
        for child in running:
            child.wait_stopped(deadline)
        self.services.stop()

    @staticmethod
    def _is_server(name: str) -> bool:
        return name in ("postgres", "valkey")


def _check_sandbox() -> None:
    from executor import sandbox

    report = sandbox.isolation_report()
    if not report["available"]:
        raise LaunchError(
            f"Programs cannot be run safely on this machine: {report['why']}\n"
            "docs/sandbox.md says what each platform needs."
        )


def _listen_for_signals() -> None:
    def stop(*_: object) -> NoReturn:
        _ASKED_TO_STOP.set()
        raise _StopRequested

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _say(text: str) -> None:
    print(text, flush=True)
