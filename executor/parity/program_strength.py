"""Whether a program's contract can fail: impostors built from what the reference showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from executor.parity import program_compare, program_printed, text
from executor.parity.outcome import Outcome, Strength
from executor.parity.program_compare import Yardstick
from executor.parity.program_side import Array
from executor.parity.text import Line, Number

if TYPE_CHECKING:
    from executor.parity.program_case import Case
    from executor.parity.program_reference import Reference

Forge = Callable[[Array], Array]


def zeros(values: Array) -> Array:
    return np.zeros_like(values)


def mean(values: Array) -> Array:
    return np.full_like(values, values.mean())


def first_repeated(values: Array) -> Array:
    return np.full_like(values, values.reshape(-1)[0])


def shifted(values: Array) -> Array:
    return np.roll(values, 1)


def scaled(values: Array) -> Array:
    return values * 1.05


FORGES: dict[str, Forge] = {
    "zeros": zeros,
    "mean": mean,
    "first value repeated": first_repeated,
    "shifted by one": shifted,
    "5 % larger": scaled,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was compared and is computed by the program: printed columns and variables.

    A column holds the numbers at one place of one template, line by line.
    """

    columns: tuple[tuple[tuple[Line, Number], ...], ...]
    variables: tuple[tuple[str, Array], ...]

    @property
    def empty(self) -> bool:
        return not self.columns and not self.variables


def gather(known: Reference, case: Case, compared: Sequence[str]) -> Evidence:
    """The computed numbers among what was compared. Counters and literals prove nothing."""
    literals = case.ours.numerals | case.theirs.numerals
    variables = tuple(
        (name, known.side.values[name])
        for name in compared
        if case.contract.names.get(name, name).split(".")[0] not in case.theirs.constants
        and is_computed_value(known.side.values[name])
    )
    return Evidence(tuple(computed_columns(known.side.text, literals)), variables)


def is_computed_value(values: Array) -> bool:
    return bool(values.size) and (values.dtype.kind in "fc" or values.size > 1)


def computed_columns(
    printed: str, literals: frozenset[str]
) -> Iterator[tuple[tuple[Line, Number], ...]]:
    rows: dict[str, list[Line]] = {}
    for line in text.comparable(printed):
        rows.setdefault(line.template, []).append(line)
    for lines in rows.values():
        for place in range(len(lines[0].numbers)):
            column = tuple((line, line.numbers[place]) for line in lines)
            if is_computed([number for _, number in column], literals):
                yield column


def is_computed(column: Sequence[Number], literals: frozenset[str]) -> bool:
    """Whether a column of printed numbers is a result: no measurement, literal or counter."""
    if any(number.timing for number in column):
        return False
    if all(number.text.lstrip("+-") in literals for number in column):
        return False
    if not all(number.integer for number in column):
        return True
    values = [number.value for number in column]
    steps = {b - a for a, b in pairwise(values)}
    return len(values) == 1 or len(steps) > 1


def strength_of(evidence: Evidence, yardstick: Yardstick) -> Strength:
    """Which impostors the comparison rejects, each built from the reference's own values."""
    rejected: list[str] = []
    accepted: list[str] = []
    for name, forge in FORGES.items():
        verdicts = [
            verdict
            for verdict in (
                *(rejects_column(column, forge, yardstick) for column in evidence.columns),
                *(
                    rejects_value(name, value, forge, yardstick)
                    for name, value in evidence.variables
                ),
            )
            if verdict is not None
        ]
        if verdicts:
            (rejected if any(verdicts) else accepted).append(name)
    return Strength(tuple(rejected), tuple(accepted))


def rejects_column(
    column: Sequence[tuple[Line, Number]], forge: Forge, yardstick: Yardstick
) -> bool | None:
    """Whether a forged column would be told apart; None when the forgery changes nothing."""
    values = np.array([number.value for _, number in column])
    if not np.isfinite(values).all():
        return None
    forged = forge(values)
    if np.array_equal(forged, values):
        return None
    return any(
        abs(number.value - float(fake))
        > program_printed.allowance(number, number, line, None, yardstick)
        for (line, number), fake in zip(column, forged, strict=True)
    )


def rejects_value(name: str, value: Array, forge: Forge, yardstick: Yardstick) -> bool | None:
    wide = program_compare.wide(value)
    if not np.isfinite(wide).all():
        return None
    forged = forge(wide).astype(value.dtype)
    if np.array_equal(forged, value):
        return None
    record = program_compare.compare_array(f"variable: {name}", value, forged, None, yardstick)
    return record.outcome is Outcome.FAIL
