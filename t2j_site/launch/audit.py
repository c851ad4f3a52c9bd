"""Asks the package index that pip uses which of our pins have known holes.

The index answers as PyPI does (`/pypi/NAME/VERSION/json`). Not every mirror does, and not every
machine has a network: then this says so and is no failure. A hole fails where CI is true; elsewhere
it is told, for a stranger's first test must not fail over yesterday's news.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import paths

_DEFAULT = "https://pypi.org/simple"
_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;+#]+)")
_SECONDS = 10
_AT_A_TIME = 8
# Asked first and alone: what has not even this will not have the others.
_SURE = "django"


@dataclass(frozen=True, slots=True)
class Hole:
    package: str
    name: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package}: {self.name}, {fixed}"


class _NoAnswer(Exception):
    """Why nothing is known about a package."""


def main() -> int:
    settings = _pip_settings()
    index = settings.get("index-url", _DEFAULT).rstrip("/").removesuffix("/simple")
    ask = _Asker(index, ssl.create_default_context(cafile=settings.get("cert")))
    pins = sorted(set(_pins()), key=lambda pin: (pin[0] != _SURE, pin))
    try:
        found = list(ask(pins[0]))
    except _NoAnswer as why:
        print(f"The package index does not tell of holes: skipped. ({why})")
        return 0
    unknown = 0
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for answer in pool.map(ask.safely, pins[1:]):
            unknown += isinstance(answer, _NoAnswer)
            found += [] if isinstance(answer, _NoAnswer) else answer
    accepted = _accepted()
    open_ = [hole for hole in found if hole.name not in accepted]
    print(f"{len(pins) - unknown} of {len(pins)} pinned packages asked: {len(open_)} known holes.")
    for hole in open_:
        print(hole)
    return 1 if open_ and os.environ.get("CI") == "true" else 0


def _pip_settings() -> dict[str, str]:
    """What pip is told by its files and, before them, by the environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lines = sorted(said.splitlines(), key=lambda line: line.startswith(":env:"))
    parts = (line.partition("=") for line in lines)
    return {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in parts}


def _pins() -> Iterator[tuple[str, str]]:
    """Name and version of all that is installed, also where programs run."""
    files = [paths.ROOT / "requirements/constraints.txt"]
    files += sorted((paths.ROOT / "executor/runtimes").glob("*.lock"))
    for file in files:
        for line in file.read_text().splitlines():
            if match := _PIN.match(line.strip()):
                yield re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]


def _accepted() -> set[str]:
    """Holes that do not reach us; each line gives the reason behind the name."""
    file = Path(os.environ.get("T2J_ACCEPTED_HOLES") or paths.ROOT / "requirements/accepted.txt")
    lines = file.read_text().splitlines() if file.is_file() else []
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


@dataclass(slots=True)
class _Asker:
    index: str
    context: ssl.SSLContext

    def safely(self, pin: tuple[str, str]) -> list[Hole] | _NoAnswer:
        try:
            return list(self(pin))
        except _NoAnswer as why:
            return why

    def __call__(self, pin: tuple[str, str]) -> Iterable[Hole]:
        """
        Raises:
            _NoAnswer: the index cannot be reached, or says nothing of holes.
        """
        name, version = pin
        url = f"{self.index}/pypi/{quote(name)}/{quote(version)}/json"
        try:
            told = json.loads(self._fetch(url))["vulnerabilities"]
            return [_hole(f"{name} {version}", each) for each in told if not each.get("withdrawn")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _NoAnswer(f"{name} {version}: {type(error).__name__}: {error}") from None

    def _fetch(self, url: str) -> bytes:
        if not url.startswith(("https://", "http://")):
            raise ValueError("the index is no web address")
        with urllib.request.urlopen(  # noqa: S310
            url, timeout=_SECONDS, context=self.context
        ) as answer:
            content: bytes = answer.read()
        return content


def _hole(package: str, told: dict[str, Any]) -> Hole:
    return Hole(package, str(told["id"]), tuple(str(each) for each in told.get("fixed_in") or ()))


if __name__ == "__main__":
    sys.exit(main())
