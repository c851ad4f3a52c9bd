"""Numbers drawn again: bootstrap intervals and columns of observations."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Column = Sequence[float | None]

SEED = 20251
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval and how it was made."""

    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values with its interval; `value` is None without values."""

    n: int
    value: float | None
    sd: float | None = None
    interval: Interval | None = None


def pairs_of(xs: Column, ys: Column) -> tuple[Floats, Floats]:
    """The two columns where both are known.

    Raises:
        ValueError: the columns differ in length, or hold a number that is not finite.
    """
    both = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    if not all(math.isfinite(value) for pair in both for value in pair):
        raise ValueError("A column holds a number that is not finite; leave it out as None.")
    table = np.array(both, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def bootstrap(
    rows: int, statistic: Callable[[NDArray[np.intp]], Floats], *, seed: int = SEED
) -> Interval | None:
    """The percentile interval of a statistic of `rows` rows drawn with replacement.

    `statistic` takes row numbers (draws, rows) and gives a value per draw. NaN, where it is
    undefined, is left out; None when most are. Draws are made in blocks of about a million numbers.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, rows, (RESAMPLES, rows))
    block = max(1, 1_000_000 // rows**2)
    found = np.concatenate(
        [statistic(drawn[start : start + block]) for start in range(0, RESAMPLES, block)]
    )
    found = found[~np.isnan(found)]
    if len(found) < RESAMPLES / 2:
        return None
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), f"bootstrap, {RESAMPLES} resamples, seed {seed}")


def mean_of(values: Column, *, seed: int = SEED) -> Mean:
    """The mean of the known values; with two or more also its spread and interval."""
    known = np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return Mean(0, None)
    mean = float(known.mean())
    if len(known) == 1:
        return Mean(1, mean)
    interval = bootstrap(len(known), lambda rows: known[rows].mean(axis=1), seed=seed)
    return Mean(len(known), mean, float(known.std(ddof=1)), interval)


def share_interval(hits: int, n: int) -> Interval | None:
    """Wilson's interval of `hits` of `n`; None when n is 0."""
    if not n:
        return None
    found = stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high), "Wilson")
