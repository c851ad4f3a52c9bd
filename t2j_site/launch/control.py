"""`stop` and `status`: look at a data folder from outside. Standard library only."""

import argparse
import json
import os
import signal
import time

from .errors import LaunchError
from .folder import Folder, State, alive

_STOP_S = 30.0
_NOTHING_RUNS = 3


def run(command: str, arguments: list[str], folder: Folder) -> int:
    parser = argparse.ArgumentParser(prog=f"./t2j {command}")
    if command == "status":
        parser.add_argument("--json", action="store_true", help="for programs")
        return _status(folder, as_json=parser.parse_args(arguments).json)
    parser.parse_args(arguments)
    return _stop(folder)


def _stop(folder: Folder) -> int:
    pid = folder.owner_pid()
    if not pid:
        print(f"Nothing runs on {folder.path}.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while folder.owner_pid() == pid:
        if time.monotonic() > deadline:
            raise LaunchError(
                f"Process {pid} does not end. Its logs: {folder.logs}. As a last resort:"
                f" kill -9 {pid}; the next start recovers."
            )
        time.sleep(0.1)
    print(f"Stopped what ran on {folder.path}.")
    return 0


def _status(folder: Folder, *, as_json: bool) -> int:
    state = folder.state() if folder.owner_pid() else None
    if as_json:
        print(json.dumps(_facts(folder, state)))
    elif state is None:
        print(f"Nothing runs on {folder.path}.")
    else:
        print(_text(folder, state))
    return _NOTHING_RUNS if state is None else 0


def _facts(folder: Folder, state: State | None) -> dict[str, object]:
    """Leaves out the addresses of the servers: they hold passwords."""
    if state is None:
        return {"running": False, "data": str(folder.path)}
    return {
        "running": True,
        "data": str(folder.path),
        "command": state.command,
        "pid": state.pid,
        "url": state.url,
        "seconds": round(time.time() - state.started),
        "children": {
            name: {"pid": pid, "alive": alive(pid)} for name, pid in state.children.items()
        },
    }


def _text(folder: Folder, state: State) -> str:
    lines = [f"{state.command} (process {state.pid}) runs on {folder.path}"]
    if state.url:
        lines.append(f"  {state.url}")
    for name, pid in state.children.items():
        lines.append(f"  {name:<10} process {pid}{'' if alive(pid) else ', being restarted'}")
    lines.append(f"  logs       {folder.logs}")
    return "\n".join(lines)
