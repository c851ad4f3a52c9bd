"""Do raters agree: kappa, alpha, the area under the curve, a reliability table."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from scoring.statistics.sampling import Interval, share_interval

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient over `n` units. `why` says why `value` is None."""

    name: str
    n: int
    value: float | None
    why: str = ""


def cohen_kappa(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    *,
    weights: Weights = "none",
) -> Agreement:
    """Cohen's kappa of two raters over the units that both rated.

    With `weights` the ratings are numbers and a disagreement counts by its size (Cohen 1968).
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    name = "Cohen's kappa" if weights == "none" else f"Cohen's kappa, {weights} weights"
    if not pairs:
        return Agreement(name, 0, None, "undefined: no unit was rated by both")
    costs: dict[Weights, Callable[[Hashable, Hashable], float]] = {
        "none": lambda a, b: float(a != b),
        "linear": lambda a, b: abs(_number(a) - _number(b)),
        "quadratic": lambda a, b: (_number(a) - _number(b)) ** 2,
    }
    cost = costs[weights]
    observed = sum(cost(a, b) for a, b in pairs) / len(pairs)
    ones, others = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = (
        sum(one * other * cost(a, b) for a, one in ones.items() for b, other in others.items())
        / len(pairs) ** 2
    )
    if not by_chance:
        return Agreement(name, len(pairs), None, "undefined: constant")
    return Agreement(name, len(pairs), 1 - observed / by_chance)


def fleiss_kappa(table: Sequence[Sequence[int]]) -> Agreement:
    """Fleiss' kappa; a row per unit with how many raters chose each category.

    Raises:
        ValueError: units were rated by different numbers of raters, or by fewer than two.
    """
    name = "Fleiss' kappa"
    if not table:
        return Agreement(name, 0, None, "undefined: no unit")
    raters = sum(table[0])
    if raters < 2 or any(sum(row) != raters for row in table):
        raise ValueError("Fleiss' kappa needs the same number of raters (two or more) per unit.")
    pairs = raters * (raters - 1)
    observed = sum(sum(c * (c - 1) for c in row) / pairs for row in table) / len(table)
    totals = [sum(column) for column in zip(*table, strict=True)]
    by_chance = sum((total / (len(table) * raters)) ** 2 for total in totals)
    if by_chance == 1:
        return Agreement(name, len(table), None, "undefined: constant")
    return Agreement(name, len(table), (observed - by_chance) / (1 - by_chance))


def krippendorff_alpha(
    units: Sequence[Sequence[float | None]], level: Level = "nominal"
) -> Agreement:
    """Krippendorff's alpha; a row per unit with each rater's value, None where there is none."""
    name = f"Krippendorff's alpha, {level}"
    rated = [[value for value in unit if value is not None] for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    counts = Counter(value for unit in rated for value in unit)
    total = sum(counts.values())
    cost = _distance(level, counts)
    observed = sum(sum(cost(a, b) for a in unit for b in unit) / (len(unit) - 1) for unit in rated)
    by_chance = sum(cost(a, b) * n * m for a, n in counts.items() for b, m in counts.items())
    if not rated:
        return Agreement(name, 0, None, "undefined: no unit was rated twice")
    if not by_chance:
        return Agreement(name, len(rated), None, "undefined: constant")
    return Agreement(name, len(rated), 1 - (total - 1) * observed / by_chance)


def _distance(level: Level, counts: Counter[float]) -> Callable[[float, float], float]:
    """Krippendorff 2011: how far two values of a scale are apart, squared."""
    if level == "nominal":
        return lambda a, b: float(a != b)
    if level == "interval":
        return lambda a, b: (a - b) ** 2

    def ordinal(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(count for value, count in counts.items() if low <= value <= high)
        return (between - (counts[low] + counts[high]) / 2) ** 2

    return ordinal


def auc(scores: Sequence[float | None], labels: Sequence[bool | None]) -> Agreement:
    """The chance that a positive scores above a negative, ties half: the area under the curve."""
    known = [(s, y) for s, y in zip(scores, labels, strict=True) if s is not None and y is not None]
    positives = sum(label for _, label in known)
    negatives = len(known) - positives
    if not positives or not negatives:
        return Agreement("AUC", len(known), None, "undefined: constant")
    ranks = stats.rankdata([score for score, _ in known])
    above = sum(rank for rank, (_, label) in zip(ranks, known, strict=True) if label)
    value = (above - positives * (positives + 1) / 2) / (positives * negatives)
    return Agreement("AUC", len(known), float(value))


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """What a judge gave, how often, and how much of that passed."""

    score: float
    n: int
    passed: int
    share: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """`gap` is the mean distance of score/scale and the share that passed; `bias` is signed.

    A positive bias: the judge believes in more than what passes.
    """

    rows: tuple[ReliabilityRow, ...]
    n: int
    gap: float | None
    bias: float | None


def reliability(
    scores: Sequence[float | None], passed: Sequence[bool | None], *, scale: float
) -> Reliability:
    """A row per score that was given, from 0 to `scale`, with the share that passed."""
    known = [(s, y) for s, y in zip(scores, passed, strict=True) if s is not None and y is not None]
    rows = []
    for score in sorted({score for score, _ in known}):
        found = [label for each, label in known if each == score]
        hits = sum(found)
        share, interval = hits / len(found), share_interval(hits, len(found))
        rows.append(ReliabilityRow(score, len(found), hits, share, interval))
    if not known:
        return Reliability((), 0, None, None)
    gap = sum(row.n * abs(row.score / scale - row.share) for row in rows) / len(known)
    bias = sum(row.n * (row.score / scale - row.share) for row in rows) / len(known)
    return Reliability(tuple(rows), len(known), gap, bias)


def _number(value: Hashable) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"A weighted kappa needs numbers, not {value!r}.")
    return float(value)
