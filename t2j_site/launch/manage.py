"""`manage`: a management command with the services it needs."""

import ast
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import paths, programs
from .folder import Folder, State
from .process import Child, on_terminal
from .services import Services, environment

_PATIENCE_S = 2.0
_WITHOUT_SERVICES = {"help", "version", "--help", "--version", "collectstatic", "findstatic"}


def run(folder: Folder, arguments: list[str]) -> int:
    """Returns the command's exit code."""
    name = arguments[0] if arguments else "help"
    if not _wants(name, "needs_services", default=name not in _WITHOUT_SERVICES):
        return _call(arguments, dict(os.environ) | {"T2J_DATA": str(folder.path)})
    folder.prepare()
    workers = _wants(name, "needs_workers", default=False)
    while True:
        with folder.owner() as owned:
            if owned:
                return _as_owner(folder, arguments, workers=workers)
        state = folder.state()
        if state:
            with folder.user(state.token) as joined:
                if joined:
                    return _as_guest(folder, state, arguments, workers=workers)
        _wait_a_little(folder)


def _wants(name: str, attribute: str, *, default: bool) -> bool:
    """The class attribute of our command `name`, read without importing Django."""
    for file in paths.ROOT.glob(f"*/management/commands/{Path(name).name}.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                named = any(isinstance(t, ast.Name) and t.id == attribute for t in targets)
                if named and isinstance(node.value, ast.Constant):
                    return bool(node.value.value)
    return default


def _as_owner(folder: Folder, arguments: list[str], *, workers: bool) -> int:
    folder.end_leftovers()
    services = Services.of(folder)
    try:
        services.start(_say)
        state = State(
            kind="manage",
            pid=os.getpid(),
            token=secrets.token_hex(8),
            command=f"manage {' '.join(arguments[:1])}",
            database_url=services.database_url,
            broker_url=services.broker_url,
            children={name: child.pid or 0 for name, child in services.children.items()},
        )
        folder.tell(state)
        with _workers(folder, services.environment(), wanted=workers):
            code = _call(arguments, services.environment())
        folder.tell_nothing()
        folder.wait_for_users()
        return code
    finally:
        folder.tell_nothing()
        services.stop()


def _as_guest(folder: Folder, state: State, arguments: list[str], *, workers: bool) -> int:
    env = environment(folder, state.database_url, state.broker_url)
    with _workers(folder, env, wanted=workers and state.kind != "up"):
        return _call(arguments, env)


@contextmanager
def _workers(folder: Folder, env: Mapping[str, str], *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    worker: Child = programs.worker(folder, env, f"manage-{os.getpid()}")
    worker.start()
    try:
        yield
    finally:
        worker.stop(4.0)


def _call(arguments: list[str], env: Mapping[str, str]) -> int:
    """Runs it on our terminal: Ctrl-C reaches it directly, SIGTERM is passed on."""
    process = on_terminal(programs.command(*arguments), env)
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        signal.SIGHUP: signal.signal(signal.SIGHUP, lambda *_: process.terminate()),
    }
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _wait_a_little(folder: Folder) -> None:
    """Another command starts or ends its services right now."""
    began = time.monotonic()
    while folder.owner_pid() and folder.state() is None:
        time.sleep(0.1)
        if time.monotonic() - began > _PATIENCE_S:
            _say(f"Another command on {folder.path} is starting or ending; waiting for it ...")
            began = float("inf")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
