"""Made-up data for programs that would download theirs: small, and the same in every run.

Shapes, types and value ranges are those of the real data sets, and labels can be learned. All of it
is drawn from a generator of its own, so that a program's random numbers stay what they are.
Needs NumPy only; both sides of a verdict see the same numbers.
"""

from __future__ import annotations

from typing import Any, NoReturn


class DataNotAttached(RuntimeError):
    """The program wants a data set, and its contract attaches no provider."""


class StandInLimit(AttributeError):
    """The program wants something of a package that the stand-in for it does not have."""


class State:
    """`examples` is 0 while no provider is attached; `used` names what was handed out."""

    examples: int = 0
    used: list[str] = []
    # On the candidate's side: hands a draw over as the reference made it.
    handle: Any = None


def count(name: str, train: bool) -> int:
    """How many examples a data set has here. Raises DataNotAttached without a provider."""
    if not State.examples:
        raise DataNotAttached(f"The data set {name} would be downloaded, and there is no network.")
    State.used.append(name)
    return State.examples if train else max(State.examples // 4, 2)


def limit(package: str, name: str) -> NoReturn:
    """Raises for a name that a stand-in lacks. Python's own names are only absent."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise StandInLimit(f"The stand-in for {package} has no {name!r}.")
