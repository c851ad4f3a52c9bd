"""Arrays that two runs of a program left, compared; and the yardstick of all comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from executor.parity.comparison import TINY
from executor.parity.contract import Contract
from executor.parity.outcome import Difference, Kind, Outcome, ProbeRecord, Stage
from executor.parity.program_side import Array, Side
from executor.parity.text import Line

# A number may move this many times as far as the reference's own rounding moved it.
NOISE_FACTOR = 30.0
# Without a measured noise, and as the most that a measured one may grow to.
LOOSE_RTOL = 1e-2
ROUNDING = 1e-5
MAX_RECORDS = 200
CURVE_WORDS = ("loss", "error", "mse", "nll", "cost", "perplexity", "reward", "history")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What the reference itself says about how exact a comparison can be.

    rtol      relative tolerance of numbers that rounding moved little
    again     the reference's output when it ran again, or None
    most      the most that a tolerance may grow to where rounding moves the reference
    nudged    values of that run by name
    own       probe name (shell pattern) -> relative tolerance that a person set
    """

    rtol: float
    again: Sequence[Line] | None = None
    most: float = LOOSE_RTOL
    nudged: Mapping[str, Array] = field(default_factory=dict)
    own: Mapping[str, float] = field(default_factory=dict)

    def at(self, probe: str) -> Yardstick:
        """The yardstick of one probe: a person may have set its tolerance."""
        for pattern, rtol in self.own.items():
            if is_named(probe, pattern):
                return replace(self, rtol=rtol, most=max(rtol, self.most))
        return self


def is_named(probe: str, pattern: str) -> bool:
    """Whether a shell pattern means a probe, by its whole name or without its kind."""
    return fnmatchcase(probe, pattern) or fnmatchcase(probe.partition(": ")[2], pattern)


def is_curve(name: str) -> bool:
    return any(word in name.lower() for word in CURVE_WORDS)


def compare_values(
    reference: Side, candidate: Side, names: Sequence[str], contract: Contract, yardstick: Yardstick
) -> list[ProbeRecord]:
    """One record for each name of the reference's that the candidate has too."""
    records: list[ProbeRecord] = []
    for name in names:
        theirs = candidate.values.get(contract.names.get(name, name))
        if theirs is None or len(records) >= MAX_RECORDS:
            continue
        probe = f"variable: {name}"
        nudged = yardstick.nudged.get(name)
        if nudged is not None and wanders(reference.values[name], nudged, yardstick):
            continue
        records.append(compare_array(probe, reference.values[name], theirs, nudged, yardstick))
    return records


def compare_array(
    probe: str, ours: Array, theirs: Array, nudged: Array | None, yardstick: Yardstick
) -> ProbeRecord:
    """Compare one array, layouts that mean the same brought together first."""
    yardstick = yardstick.at(probe)
    base = ProbeRecord(
        probe,
        Stage.BEHAVIORAL,
        Outcome.PASS,
        shape=tuple(ours.shape),
        dtype=ours.dtype.name,
        candidate_shape=tuple(theirs.shape),
        candidate_dtype=theirs.dtype.name,
        rtol=yardstick.rtol,
    )
    views = same_meaning(ours, theirs)
    if not views:
        return array_failure(base, Kind.SHAPE_MISMATCH, (), str(ours.shape), str(theirs.shape))
    tried = [measured(base, ours, view, nudged, yardstick) for view in views]
    return next((record for record in tried if record.outcome is Outcome.PASS), tried[0])


def wanders(ours: Array, nudged: Array, yardstick: Yardstick) -> bool:
    """Whether a variable changes from run to run (a clock), or with every rounding error."""
    if ours.shape != nudged.shape:
        return True
    left, right = wide(ours), wide(nudged)
    with np.errstate(all="ignore"):
        moved = np.abs(left - right)
    moved = moved[np.isfinite(moved)]
    scale = rms(np.where(np.isfinite(left), np.abs(left), 0.0))
    return bool(moved.size and float(np.max(moved)) > max(yardstick.most * scale, ROUNDING))


def same_meaning(ours: Array, theirs: Array) -> list[Array]:
    """The candidate's array in the reference's shape, in each legitimate way.

    Dimensions of size 1 carry no meaning; channels-last images and transposed weights are moved.
    Empty when the shapes cannot be brought together.
    """
    if ours.shape == theirs.shape:
        return [theirs]
    if squeezed(ours) == squeezed(theirs):
        return [theirs.reshape(ours.shape)]
    views = []
    if ours.ndim == theirs.ndim and ours.ndim >= 3:
        views.append(np.moveaxis(theirs, -1, 1))
    if ours.ndim == theirs.ndim and ours.ndim >= 2:
        views.append(theirs.T)
    if ours.ndim == theirs.ndim and ours.ndim >= 4:
        views.append(np.moveaxis(theirs, (-1, -2), (0, 1)))
    if ours.ndim == theirs.ndim == 3:
        views.append(np.moveaxis(theirs, -1, 0))
    return [view for view in views if view.shape == ours.shape]


def squeezed(array: Array) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def measured(
    base: ProbeRecord, ours: Array, theirs: Array, nudged: Array | None, yardstick: Yardstick
) -> ProbeRecord:
    exact = ours.dtype.kind in "biu" and theirs.dtype.kind in "biu"
    left, right = wide(ours), wide(theirs)
    with np.errstate(all="ignore"):
        gap = np.abs(left - right)
        gap = np.where(left == right, 0.0, np.where(np.isfinite(gap), gap, np.inf))
        bound = np.zeros_like(gap) if exact else array_bound(base.name, left, nudged, yardstick)
        outside = ~(gap <= bound)
        relative = gap / np.maximum(np.abs(np.where(np.isfinite(left), left, 1.0)), TINY)
    record = replace(
        base,
        finite=bool(np.isfinite(left).all() and np.isfinite(right).all()),
        max_abs_error=float(gap.max()) if gap.size else 0.0,
        mean_abs_error=float(gap.mean()) if gap.size else 0.0,
        max_rel_error=float(relative.max()) if gap.size else 0.0,
    )
    if not outside.any():
        return record
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(outside)), outside.shape))
    special = not (np.isfinite(left[index]) and np.isfinite(right[index]))
    kind = Kind.NON_FINITE if special else kind_of(base.name, ours)
    return array_failure(
        record,
        kind,
        index,
        number(left[index]),
        number(right[index]),
        abs_error=float(gap[index]),
        rel_error=float(relative[index]),
        tolerance=float(bound[index]),
    )


def kind_of(name: str, ours: Array) -> Kind:
    curve = ours.ndim == 1 and ours.size > 1 and is_curve(name)
    return Kind.LOSS_CURVE_MISMATCH if curve else Kind.VALUE_MISMATCH


def array_bound(name: str, left: Array, nudged: Array | None, yardstick: Yardstick) -> Array:
    """Allowed distance of each element. A curve's early, large values do not excuse late ones."""
    magnitude = np.where(np.isfinite(left), np.abs(left), 0.0)
    curve = left.ndim == 1 and is_curve(name)
    scale = magnitude if curve else magnitude + rms(magnitude)
    bound = yardstick.rtol * scale
    if nudged is not None and nudged.shape == left.shape:
        moved = np.abs(wide(nudged) - left)
        moved = np.where(np.isfinite(moved), moved, 0.0)
        # Rounding errors of earlier steps live on in later ones.
        grown = np.maximum.accumulate(moved / np.maximum(magnitude, TINY)) if curve else moved
        typical = grown * magnitude if curve else np.maximum(moved, rms(moved))
        bound = np.maximum(bound, np.minimum(NOISE_FACTOR * typical, yardstick.most * scale))
    result: Array = bound
    return result


def rms(magnitude: Array) -> float:
    largest = float(magnitude.max()) if magnitude.size else 0.0
    if not largest:
        return 0.0
    return largest * math.sqrt(float(np.mean(np.square(magnitude / largest))))


def wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def number(value: object) -> float | str:
    if isinstance(value, complex | np.complexfloating):
        return str(complex(value))
    return float(value)  # type: ignore[arg-type]


def array_failure(
    base: ProbeRecord,
    kind: Kind,
    index: tuple[int, ...],
    ours: float | str,
    theirs: float | str,
    **numbers: Any,
) -> ProbeRecord:
    at = f"[{', '.join(map(str, index))}]" if index else ""
    what = "has shape" if kind is Kind.SHAPE_MISMATCH else "is"
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=kind,
        first_difference=Difference(base.name, index, ours, theirs, **numbers),
        message=f"{base.name}{at} {what} {short(theirs)}, in the reference {short(ours)}.",
    )


def short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.7g}"
