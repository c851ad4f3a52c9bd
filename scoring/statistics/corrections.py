"""p values of several tests at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True, slots=True)
class Correction:
    """Adjusted p values in the order of the tests (None where a test gave none), and how."""

    method: str
    tests: int
    adjusted: tuple[float | None, ...]

    def __str__(self) -> str:
        return f"p values adjusted by {self.method} over {self.tests} tests"


def holm(values: Sequence[float | None]) -> Correction:
    """Holm 1979: holds the chance of any false finding."""
    return _corrected("Holm's step-down method", values, _holm)


def benjamini_hochberg(values: Sequence[float | None]) -> Correction:
    """Benjamini and Hochberg 1995: holds the share of false findings."""
    return _corrected("the method of Benjamini and Hochberg", values, _bh)


def _corrected(
    method: str,
    values: Sequence[float | None],
    adjust: Callable[[Sequence[float]], Sequence[float]],
) -> Correction:
    known = [value for value in values if value is not None]
    adjusted = iter(adjust(known) if known else ())
    return Correction(
        method, len(known), tuple(None if value is None else next(adjusted) for value in values)
    )


def _holm(values: Sequence[float]) -> Sequence[float]:
    order = sorted(range(len(values)), key=lambda at: values[at])
    adjusted, floor = [0.0] * len(values), 0.0
    for rank, at in enumerate(order):
        floor = max(floor, min(1.0, (len(values) - rank) * values[at]))
        adjusted[at] = floor
    return adjusted


def _bh(values: Sequence[float]) -> Sequence[float]:
    return [float(p) for p in stats.false_discovery_control(list(values), method="bh")]
