"""Printed text of two runs, compared line by line.

A printed number agrees within the profile's relative tolerance, one unit of the reference's last
printed place and half a unit of the candidate's; whole numbers compare exactly. `noise` is how
far a number moved when the reference ran again with its arithmetic nudged by a rounding error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from executor.parity import text
from executor.parity.comparison import TINY
from executor.parity.outcome import Difference, Kind, Outcome, ProbeRecord, Stage
from executor.parity.program_compare import (
    MAX_RECORDS,
    NOISE_FACTOR,
    ROUNDING,
    Yardstick,
    is_curve,
)
from executor.parity.text import Line, Number, Pair


@dataclass(slots=True)
class Tally:
    """Numbers of one printed template on both sides, row by row."""

    rows: list[tuple[Line, Line]] = field(default_factory=list)
    noise: list[tuple[float, ...]] = field(default_factory=list)

    def moved(self, row: int, column: int) -> float | None:
        """How far rounding moves a number: errors of earlier rows live on in later ones."""
        if column >= len(self.noise[row]):
            return None
        if not is_curve(self.rows[row][0].template):
            return self.noise[row][column]
        shares = [
            self.noise[each][column] / max(abs(ours.numbers[column].value), TINY)
            for each, (ours, _) in enumerate(self.rows[: row + 1])
            if column < len(self.noise[each])
        ]
        here = abs(self.rows[row][0].numbers[column].value)
        grown = max((share for share in shares if math.isfinite(share)), default=0.0) * here
        return max(self.noise[row][column], grown)


def compare_text(reference: str, candidate: str, yardstick: Yardstick) -> list[ProbeRecord]:
    """One record per printed template, and one for lines without a counterpart."""
    ours, theirs = text.comparable(reference), text.comparable(candidate)
    noise = noise_of(ours, yardstick)
    pairs = text.align(ours, theirs)
    tallies: dict[str, Tally] = {}
    for pair in pairs:
        if pair.alike and pair.reference is not None and pair.candidate is not None:
            tally = tallies.setdefault(pair.reference.template, Tally())
            tally.rows.append((pair.reference, pair.candidate))
            tally.noise.append(noise.get(pair.reference.position, ()))
    records = [compare_tally(template, tally, yardstick) for template, tally in tallies.items()]
    lonely = compare_words(pairs)
    return [*([lonely] if lonely else []), *records[:MAX_RECORDS]]


def noise_of(lines: Sequence[Line], yardstick: Yardstick) -> dict[int, tuple[float, ...]]:
    """Line position -> how far each of its numbers moved in the reference's nudged run."""
    if yardstick.again is None:
        return {}
    moved: dict[int, tuple[float, ...]] = {}
    for pair in text.align(lines, yardstick.again):
        if pair.alike and pair.reference is not None and pair.candidate is not None:
            moved[pair.reference.position] = tuple(
                abs(a.value - b.value)
                for a, b in zip(pair.reference.numbers, pair.candidate.numbers, strict=True)
            )
    return moved


def compare_words(pairs: Sequence[Pair]) -> ProbeRecord | None:
    """The record of lines that only one side prints, or that say something else."""
    for pair in pairs:
        if pair.alike or harmless(pair):
            continue
        return ProbeRecord(
            "printed lines",
            Stage.BEHAVIORAL,
            Outcome.FAIL,
            Kind.TEXT_MISMATCH,
            first_difference=line_difference("printed lines", pair.reference, pair.candidate),
            message=words_message(pair),
        )
    if not pairs:
        return None
    return ProbeRecord("printed lines", Stage.BEHAVIORAL, Outcome.PASS, shape=(len(pairs),))


def harmless(pair: Pair) -> bool:
    """Whether a line only the candidate prints carries no number but a measurement of time."""
    if pair.reference is not None or pair.candidate is None:
        return False
    return all(number.timing for number in pair.candidate.numbers)


def words_message(pair: Pair) -> str:
    if pair.candidate is None:
        return f"The candidate does not print {quoted(pair.reference)}."
    if pair.reference is None:
        return f"The candidate prints {quoted(pair.candidate)}; the reference prints no such line."
    return (
        f"The candidate prints {quoted(pair.candidate)} where the reference prints "
        f"{quoted(pair.reference)}."
    )


def quoted(line: Line | None) -> str:
    if line is None:
        return "nothing"
    shown = line.raw.strip()
    return f'"{shown[:160]}{"..." if len(shown) > 160 else ""}" (output line {line.position})'


def line_difference(
    probe: str,
    reference: Line | None,
    candidate: Line | None,
    index: tuple[int, ...] = (),
    **numbers: Any,
) -> Difference:
    return Difference(
        probe,
        index,
        None if reference is None else reference.raw.strip()[:500],
        None if candidate is None else candidate.raw.strip()[:500],
        reference_line=None if reference is None else reference.position,
        candidate_line=None if candidate is None else candidate.position,
        **numbers,
    )


def compare_tally(template: str, tally: Tally, yardstick: Yardstick) -> ProbeRecord:
    """Compare all lines of one template, number by number."""
    name = f"printed: {template[:120]}"
    yardstick = yardstick.at(name)
    errors: list[float] = []
    relative: list[float] = []
    first: tuple[int, int] | None = None
    bound_at_first = 0.0
    for row, (ours, theirs) in enumerate(tally.rows):
        if same_size(ours, theirs):
            continue
        for column, (a, b) in enumerate(zip(ours.numbers, theirs.numbers, strict=True)):
            moved = tally.moved(row, column)
            if is_measurement(ours, a, moved) or is_chaotic(a, moved, yardstick):
                continue
            gap, bound = distance(a, b), allowance(a, b, ours, moved, yardstick)
            errors.append(gap)
            relative.append(gap / max(abs(a.value), TINY))
            if not gap <= bound and first is None:
                first, bound_at_first = (row, column), bound
    record = ProbeRecord(
        name,
        Stage.BEHAVIORAL,
        Outcome.PASS,
        shape=(len(tally.rows), len(tally.rows[0][0].numbers)),
        max_abs_error=max(errors, default=None),
        mean_abs_error=math.fsum(errors) / len(errors) if errors else None,
        max_rel_error=max(relative, default=None),
        rtol=yardstick.rtol,
    )
    return record if first is None else tally_failure(record, tally, first, bound_at_first)


def tally_failure(
    record: ProbeRecord, tally: Tally, at: tuple[int, int], bound: float
) -> ProbeRecord:
    ours, theirs = tally.rows[at[0]]
    a, b = ours.numbers[at[1]], theirs.numbers[at[1]]
    gap = distance(a, b)
    curve = len(tally.rows) > 1 and is_curve(ours.template)
    special = not (math.isfinite(a.value) and math.isfinite(b.value))
    where = f" (line {at[0] + 1} of {len(tally.rows)} such lines)" if len(tally.rows) > 1 else ""
    return replace(
        record,
        outcome=Outcome.FAIL,
        kind=Kind.NON_FINITE
        if special
        else (Kind.LOSS_CURVE_MISMATCH if curve else Kind.VALUE_MISMATCH),
        first_difference=line_difference(
            record.name,
            ours,
            theirs,
            at,
            abs_error=gap,
            rel_error=gap / max(abs(a.value), TINY),
            tolerance=bound,
        ),
        message=f"The candidate prints {b.text} where the reference prints {a.text}{where}: "
        f"{quoted(theirs)} against {quoted(ours)}.",
    )


def is_measurement(line: Line, number: Number, moved: float | None) -> bool:
    """Whether a printed number tells how long or how much, so that it differs in every run."""
    if number.timing:
        return True
    return moved is not None and moved > 0 and not number.integer and text.speaks_of_time(line)


def same_size(ours: Line, theirs: Line) -> bool:
    """Whether two lines print one shape, once channels first and once channels last."""
    sizes = [[number.text for number in line.numbers] for line in (ours, theirs)]
    return "torch.Size(" in ours.raw and len(sizes[0]) > 2 and sorted(sizes[0]) == sorted(sizes[1])


def is_chaotic(number: Number, moved: float | None, yardstick: Yardstick) -> bool:
    """Whether a rounding error alone moves a number further than any tolerance allows."""
    if moved is None or number.integer:
        return False
    return moved > max(yardstick.most * abs(number.value), ROUNDING, 1.01 * number.unit)


def distance(a: Number, b: Number) -> float:
    """Absolute difference; 0 for equal infinities, infinite where NaN or one infinity is."""
    if a.value == b.value:
        return 0.0
    gap = abs(a.value - b.value)
    return gap if math.isfinite(gap) else math.inf


def allowance(a: Number, b: Number, line: Line, moved: float | None, yardstick: Yardstick) -> float:
    """How far the candidate's number may be from the reference's."""
    if a.integer and b.integer:
        return 3.0 * moved if moved is not None and math.isfinite(moved) else 0.0
    scale = abs(a.value) if math.isfinite(a.value) else 0.0
    if a.array:
        scale = max(scale, array_scale(line, a.array))
    relative = yardstick.rtol * scale
    if moved is not None and math.isfinite(moved):
        # A number that is nothing but rounding may be any other rounding.
        only_rounding = scale < ROUNDING and moved > yardstick.most * scale
        cap = math.inf if only_rounding else yardstick.most * scale
        relative = max(relative, min(NOISE_FACTOR * moved, cap))
    return relative + 1.001 * a.unit + 0.501 * b.unit


def array_scale(line: Line, array: int) -> float:
    """Root mean square of the finite numbers of one printed array."""
    values = [n.value for n in line.numbers if n.array == array and math.isfinite(n.value)]
    largest = max((abs(value) for value in values), default=0.0)
    if not largest:
        return 0.0
    return largest * math.sqrt(math.fsum((v / largest) ** 2 for v in values) / len(values))
