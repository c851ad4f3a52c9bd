"""The story of a difference: the first random draw in which two programs part.

The candidate's account of its draws is hostile data: it can only turn a fail into words or into
an undecided, never into a pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executor.harness import codec
from executor.parity.outcome import Kind, ProbeRecord

MAX_SHOWN = 4
# Families that a request can miss by its layout alone.
LAID_OUT = ("uniform", "normal", "truncated_normal")
NAMES = {
    "uniform": "uniform numbers",
    "normal": "normal numbers",
    "truncated_normal": "truncated normal numbers",
    "bernoulli": "a mask",
    "integers": "whole numbers",
    "permutation": "a permutation",
    "categorical": "a choice",
    "exponential": "exponential numbers",
    "gumbel": "Gumbel numbers",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw of the reference, without its values."""

    family: str
    shape: tuple[int, ...]
    line: int
    operation: str
    parameter: str
    weight: bool
    default: bool
    dead: bool

    def words(self) -> str:
        filled = f" for {self.parameter}" if self.parameter else ""
        where = f" (its line {self.line})" if self.line else ""
        name = NAMES.get(self.family, self.operation)
        return f"{name} of shape {self.shape}{filled}{where}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the candidate's. `number` is the reference's draw that answered it."""

    family: str
    shape: tuple[int, ...]
    line: int
    number: int | None
    how: str

    def words(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return f"{NAMES.get(self.family, self.family)} of shape {self.shape}{where}"


@dataclass(frozen=True, slots=True)
class Account:
    """What the candidate did with the reference's draws."""

    drawn: Sequence[Drawn]
    asked: Sequence[Asked]
    left: Sequence[int]
    trouble: Sequence[str]
    unmatched: Sequence[Mapping[str, Any]]
    overflow: bool
    carried: bool

    @property
    def missing(self) -> list[Drawn]:
        """Draws that the reference made and the candidate never asked for."""
        return [
            self.drawn[number]
            for number in self.left
            if number < len(self.drawn)
            and not self.drawn[number].dead
            and self.drawn[number].family != "other"
            and not (self.drawn[number].default and self.carried)
        ]

    @property
    def extra(self) -> list[Asked]:
        """Requests of the candidate's that no draw of the reference answers."""
        return [each for each in self.asked if each.how == "no counterpart"]


def read_draws(log: bytes) -> tuple[list[Drawn], bool]:
    """Descriptions of the reference's draws, and whether later ones were not kept."""
    try:
        described = json.loads(codec.read_npz(log)["text"].tobytes())
    except (ValueError, KeyError):
        return [], False
    drawn = [
        Drawn(
            family=str(entry["family"]),
            shape=tuple(entry["shape"]),
            line=int(entry["line"]),
            operation=str(entry["operation"]),
            parameter=str(entry["parameter"]),
            weight=bool(entry["weight"]),
            default=bool(entry["default"]),
            dead=bool(entry["dead"]),
        )
        for entry in described["draws"]
    ]
    return drawn, bool(described["overflow"])


def read_account(log: bytes, told: Any, unmatched: Any, carried: bool) -> Account:
    """The candidate's account beside the reference's log. Never raises for what it holds."""
    drawn, overflow = read_draws(log)
    data = told if isinstance(told, dict) else {}
    return Account(
        drawn,
        [asked for each in as_list(data.get("served")) if (asked := read_asked(each))],
        [number for number in as_list(data.get("left")) if isinstance(number, int) and number >= 0],
        [text[:300] for text in as_list(data.get("trouble")) if isinstance(text, str)],
        [each for each in as_list(unmatched) if isinstance(each, dict)],
        overflow,
        carried,
    )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def read_asked(data: Any) -> Asked | None:
    if not isinstance(data, dict):
        return None
    shape, line, number = data.get("shape"), data.get("line"), data.get("number")
    if not isinstance(shape, list | tuple) or not all(isinstance(size, int) for size in shape):
        return None
    return Asked(
        str(data.get("family"))[:40],
        tuple(shape)[:32],
        line if isinstance(line, int) else 0,
        number if isinstance(number, int) else None,
        str(data.get("how"))[:40],
    )


def tell(account: Account) -> str:
    """One sentence on the first draw that diverged, "" when every draw was shared."""
    missing = account.missing
    for asked in account.asked:
        if asked.how == "no counterpart":
            return extra_words(asked, counterpart(asked, missing))
        if asked.how == "same key" and missing:
            return (
                f"First draw that parts: the candidate draws {asked.words()} with a key that it "
                "has used before, so the same numbers again; the reference draws new ones."
            )
    if account.unmatched:
        return tree_words(account.unmatched[0])
    if missing:
        return (
            f"First draw that parts: the reference draws {missing[0].words()}, the candidate "
            "never does."
        )
    return ""


def parting(records: Sequence[ProbeRecord]) -> str:
    """Where two curves part and by how much, "" where no curve does. Whole curves come first."""
    apart = [record for record in records if record.kind is Kind.LOSS_CURVE_MISMATCH]
    apart.sort(key=lambda record: record.name.startswith("printed"))
    for record in apart:
        first = record.first_difference
        if first is None or not first.index or not record.shape:
            continue
        kind, _, name = record.name.partition(": ")
        place = f"line {first.index[0] + 1}" if kind == "printed" else f"step {first.index[0] + 1}"
        share = first.rel_error
        by = f", by {share:.2g} of the reference's value" if share and math.isfinite(share) else ""
        return f"The curves part at {place} of {record.shape[0]} ({name.strip()}){by}."
    return ""


def same_size(unmatched: Mapping[str, Any]) -> bool:
    sizes = as_list(unmatched.get("photos"))
    return unmatched.get("size") in sizes


def tree_words(unmatched: Mapping[str, Any]) -> str:
    sizes = [str(size) for size in as_list(unmatched.get("photos")) if isinstance(size, int)]
    return (
        f"The parameter tree of {str(unmatched.get('name'))[:80]!r} is another one: it holds "
        f"{str(unmatched.get('size'))[:20]} numbers, the reference's modules hold "
        f"{', '.join(sizes[:MAX_SHOWN]) or 'none'}."
    )


def extra_words(asked: Asked, other: Drawn | None) -> str:
    if other is None:
        return (
            f"First draw that parts: the candidate draws {asked.words()}, the reference draws "
            "nothing like it."
        )
    same = other.family == asked.family and other.shape == asked.shape
    return (
        f"First draw that parts: the candidate draws {asked.words()} where the reference draws "
        f"{other.words()}{', with other bounds or chances' if same else ''}."
    )


def counterpart(asked: Asked, missing: Sequence[Drawn]) -> Drawn | None:
    """The draw that a request was probably meant to be: same shape, else same family."""
    sizes = sorted(size for size in asked.shape if size != 1)
    alike = [
        drawn for drawn in missing if sorted(size for size in drawn.shape if size != 1) == sizes
    ]
    same = [drawn for drawn in missing if drawn.family == asked.family]
    return next(iter(alike), None) or next(iter(same), None)


def unshared(account: Account) -> str:
    """Why the draws could not be shared through a limit of ours, "" when they could."""
    if account.trouble:
        return account.trouble[0]
    for each in account.unmatched:
        if same_size(each):
            return (
                f"the initial parameters of {str(each.get('name'))[:80]!r} could not be paired "
                "with those of a module of the reference"
            )
    if account.overflow:
        return "the reference draws more random numbers than can be handed over"
    for asked in account.extra:
        drawn = counterpart(asked, account.missing)
        if drawn is None:
            continue
        as_many = math.prod(drawn.shape) == math.prod(asked.shape)
        if drawn.family == asked.family and as_many and asked.family in LAID_OUT:
            return f"the candidate asks for {asked.words()}, the reference drew {drawn.words()}"
        if drawn.default and as_many and drawn.family != asked.family:
            return (
                f"the candidate initialises with {asked.words()} what the reference initialises "
                f"with {drawn.words()}, and a parameter made by hand cannot be carried over"
            )
    return ""
