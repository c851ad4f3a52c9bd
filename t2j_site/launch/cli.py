"""The command line of `./t2j`. Runs with the system's Python until the environments stand."""

import argparse
import os
import sys
from pathlib import Path

from . import install, paths
from .errors import LaunchError
from .folder import Folder

_USAGE = """\
./t2j up [--port 8000] [--no-serve]   start the studio (--no-serve: verify the sample dataset, end)
./t2j test [pytest arguments]         all checks and tests; with arguments only pytest with them
./t2j manage COMMAND ...              a management command, services started if need be
./t2j stop                            end a running studio
./t2j status [--json]                 what runs; exit code 3 when nothing does
./t2j install [app] [RUNTIME ...]     environments alone, for images; without names all of them

Every command takes --data DIR (or T2J_DATA; default .t2j in the checkout).
T2J_HOST: address to serve on (127.0.0.1). DATABASE_URL, BROKER_URL: real servers instead of the
embedded ones. T2J_VENV, T2J_RUNTIMES: where the environments are (.venv, .runtimes).
"""
_INTERRUPTED = 130
_INSTALLED = "T2J_INSTALLED"


def main(argv: list[str]) -> int:
    """Returns the exit code; every expected failure is a sentence on stderr and 1."""
    try:
        return _run(argv)
    except LaunchError as error:
        print(f"t2j: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(argv: list[str]) -> int:
    given, rest = take_data(argv)
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    command, arguments = rest[0], rest[1:]
    folder = Folder(paths.data(given))
    if command in ("stop", "status", "install"):
        return _without_environment(command, arguments, folder)
    if command not in ("up", "test", "manage"):
        print(f"t2j: there is no command {command!r}.\n\n{_USAGE}", end="", file=sys.stderr)
        return 2
    up = _up_options(arguments) if command == "up" else None
    if not os.environ.pop(_INSTALLED, ""):
        install.ensure(install.targets(dev=command == "test"))
        _enter_environment(argv)
    if up:
        from . import up as studio

        return studio.run(folder, port=up.port, serve=not up.no_serve)
    if command == "test":
        from . import checks

        return checks.run(arguments)
    from . import manage

    return manage.run(folder, arguments)


def _without_environment(command: str, arguments: list[str], folder: Folder) -> int:
    if command == "install":
        install.ensure(install.named(arguments))
        return 0
    from . import control

    return control.run(command, arguments, folder)


def take_data(argv: list[str]) -> tuple[str | None, list[str]]:
    """Takes `--data DIR` out, wherever it stands before a lone `--`."""
    given, rest = None, list(argv)
    end = rest.index("--") if "--" in rest else len(rest)
    for place, word in enumerate(rest[:end]):
        if word == "--data":
            if place + 1 >= end:
                raise LaunchError("--data needs a folder: --data DIR")
            given = rest[place + 1]
            del rest[place : place + 2]
            break
        if word.startswith("--data="):
            given = word.removeprefix("--data=")
            del rest[place]
            break
    return given, rest


def _up_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./t2j up")
    parser.add_argument("--port", type=int, default=8000, help="port to serve on (8000)")
    parser.add_argument(
        "--no-serve", action="store_true", help="migrate, load and verify the sample dataset, end"
    )
    parser.add_argument("--data", metavar="DIR", help="data folder (.t2j in the checkout)")
    return parser.parse_args(arguments)


def _enter_environment(argv: list[str]) -> None:
    """Goes on inside the app's environment, in the same process."""
    venv = paths.venv()
    if Path(sys.prefix).resolve() == venv.resolve():
        return
    python = str(venv / "bin" / "python")
    os.environ[_INSTALLED] = "just now"
    os.execv(python, [python, str(paths.ROOT / "t2j"), *argv])  # noqa: S606 (no shell wanted)
