"""`test`: the house's checks and its tests, on services of their own in a temporary folder."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import paths
from .folder import Folder
from .process import on_terminal
from .services import Services

_CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "."],
    "import-linter": ["lint-imports"],
    "djlint": ["djlint", "--lint", "templates"],
    "migrations": ["python", "manage.py", "makemigrations", "--check", "--dry-run"],
    "known holes": ["python", "-m", "t2j_site.launch.audit"],
}
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def run(arguments: list[str]) -> int:
    """With arguments only pytest with them; without, every check and every test."""
    with tempfile.TemporaryDirectory(prefix="t2j-test-") as temporary:
        folder = Folder(Path(temporary) / "data")
        folder.prepare()
        services = Services.of(folder, fast=True)
        try:
            services.start(_say)
            env = _environment(services)
            failed = [] if arguments else _failing_checks(env)
            if failed:
                _say(f"== These checks failed, see above: {', '.join(failed)}. The tests:")
            code = _call(["python", "-m", "pytest", *arguments], env)
        finally:
            services.stop()
    return code or int(bool(failed))


def _environment(services: Services) -> dict[str, str]:
    env = services.environment()
    env["PATH"] = f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}"
    if "T2J_CHROMIUM" not in env and (chromium := _chromium()):
        env["T2J_CHROMIUM"] = chromium
    return env


def _chromium() -> str | None:
    """Debian's browser; one on an emptied PATH is found too."""
    search = f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin:/snap/bin"
    return next((path for name in _CHROMIUM if (path := shutil.which(name, path=search))), None)


def _failing_checks(env: Mapping[str, str]) -> list[str]:
    failed = []
    for name, argv in _CHECKS.items():
        began = time.monotonic()
        _say(f"== {name}")
        if _call(argv, env):
            failed.append(name)
        _say(f"== {name}: {'FAILED' if name in failed else 'fine'}, {_seconds(began)}")
    return failed


def _call(argv: list[str], env: Mapping[str, str]) -> int:
    program = str(Path(sys.executable).parent / argv[0])
    process = on_terminal([program, *argv[1:]], env, cwd=paths.ROOT)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # it got the same Ctrl-C and says what it did so far
        raise
    return code if code >= 0 else 128 - code


def _seconds(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def _say(text: str) -> None:
    print(text, flush=True)
