"""Every dependency has one exact version, and all lists say the same one."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
RUNTIMES = ROOT / "executor/runtimes"
_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z0-9,]+\])?={2,3}([0-9][A-Za-z0-9.+!-]*)")


def pins(lines: list[str]) -> dict[str, str]:
    """Versions by normalised name; a line that is no exact pin, or comes twice, fails."""
    found: dict[str, str] = {}
    for line in lines:
        match = _PIN.fullmatch(line)
        assert match, f"{line!r} is no exact pin"
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        assert name not in found, f"{name} comes twice"
        found[name] = match[2]
    return found


def lines_of(file: Path) -> list[str]:
    lines = (line.split("#")[0].split(";")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def test_what_the_app_asks_for_is_what_is_constrained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = pins([*project["project"]["dependencies"], *project["dependency-groups"]["dev"]])
    constrained = pins(lines_of(ROOT / "requirements/constraints.txt"))
    assert asked.items() <= constrained.items()


def test_what_is_installed_is_what_is_constrained() -> None:
    for name, wanted in pins(lines_of(ROOT / "requirements/constraints.txt")).items():
        try:
            assert version(name) == wanted, name
        except PackageNotFoundError:
            continue  # for another Python or platform


@pytest.mark.parametrize("toml", sorted(RUNTIMES.glob("*.toml")), ids=lambda file: file.stem)
def test_runtimes_are_locked(toml: Path) -> None:
    asked = pins(tomllib.loads(toml.read_text())["requirements"])
    locked = pins(lines_of(toml.with_suffix(".lock")))
    assert asked.keys() <= locked.keys()
    for name, wanted in asked.items():
        # A lock may say which build of the version it is.
        assert locked[name].split("+")[0] == wanted.split("+")[0], name
