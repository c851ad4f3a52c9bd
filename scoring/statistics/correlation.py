"""Pearson's, Spearman's and Kendall's correlation with n, p and a bootstrap interval."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from scoring.statistics.sampling import SEED, Column, Floats, Interval, bootstrap, pairs_of

# Up to so many pairs p counts every permutation; 8! are 40,320.
EXACT_UP_TO = 8
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient over `n` pairs. `why` says why `value` is None; `p_method` how p was found."""

    method: str
    n: int
    value: float | None
    p: float | None = None
    p_method: str = ""
    interval: Interval | None = None
    why: str = ""


def pearson(xs: Column, ys: Column, *, seed: int = SEED) -> Correlation:
    """Pearson's r. p is exact by permutation up to 8 pairs, from the t distribution above."""
    return _correlate("pearson", xs, ys, seed)


def spearman(xs: Column, ys: Column, *, seed: int = SEED) -> Correlation:
    """Spearman's rho, ties at their mean rank. p as of `pearson`."""
    return _correlate("spearman", xs, ys, seed)


def kendall(xs: Column, ys: Column, *, seed: int = SEED) -> Correlation:
    """Kendall's tau-b. p is exact by permutation up to 8 pairs, SciPy's choice above."""
    return _correlate("kendall", xs, ys, seed)


METHODS = {"pearson": pearson, "spearman": spearman, "kendall": kendall}


def _correlate(method: str, xs: Column, ys: Column, seed: int) -> Correlation:
    x, y = pairs_of(xs, ys)
    n = len(x)
    if why := _undefined(x, y):
        return Correlation(method, n, None, why=why)
    coefficient = _COEFFICIENTS[method]
    if n <= EXACT_UP_TO:
        p, how = _exact_p(coefficient, x, y), "exact, every permutation"
    else:
        p, how = float(_SCIPY[method](x, y).pvalue), "SciPy"
    interval = bootstrap(n, lambda rows: coefficient(x[rows], y[rows]), seed=seed)
    return Correlation(method, n, float(coefficient(x, y)), p, how, interval)


def _undefined(x: Floats, y: Floats) -> str:
    if len(x) < 3:
        return f"undefined: {len(x)} pairs, 3 are needed"
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return "undefined: constant"
    return ""


def _exact_p(coefficient: Callable[[Floats, Floats], Floats], x: Floats, y: Floats) -> float:
    """The share of the orders of `y` that correlate at least as strongly, either way."""
    found = np.abs(coefficient(x[None], y[_orders(len(y))]))
    return float(np.mean(found >= found[0] - _TINY))


@cache
def _orders(n: int) -> NDArray[np.intp]:
    return np.array(list(permutations(range(n))))


def _pearson(x: Floats, y: Floats) -> Floats:
    """r along the last axis; NaN where a side is constant."""
    constant = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    value = (x * y).sum(axis=-1) / np.where(constant, 1.0, spread)
    return np.where(constant, np.nan, np.clip(value, -1, 1))


def _spearman(x: Floats, y: Floats) -> Floats:
    return _pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def _kendall(x: Floats, y: Floats) -> Floats:
    """tau-b along the last axis; NaN where a side is constant."""
    a, b = _signs(x), _signs(y)
    spread = np.sqrt((a * a).sum(axis=(-2, -1)) * (b * b).sum(axis=(-2, -1)))
    sums = (a * b).sum(axis=(-2, -1))
    return np.where(spread == 0, np.nan, sums / np.where(spread == 0, 1.0, spread))


def _signs(x: Floats) -> Floats:
    """The sign of each difference, (..., n, n)."""
    return np.sign(x[..., :, None] - x[..., None, :])


_COEFFICIENTS = {"pearson": _pearson, "spearman": _spearman, "kendall": _kendall}
_SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
