"""Two settings on the same examples: does one differ?"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from scoring.statistics.sampling import (
    SEED,
    Column,
    Floats,
    Interval,
    Mean,
    bootstrap,
    mean_of,
    pairs_of,
)

# Up to so many pairs the permutation test counts every choice of signs (2^14 are 16,384).
EXACT_UP_TO = 14
DRAWS = 9_999
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Test:
    """A p value over `n` pairs. `why` says why it is None; `method` how it was found."""

    name: str
    n: int
    p: float | None
    method: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Setting b minus setting a over the examples that both have."""

    n: int
    a: Mean
    b: Mean
    difference: float | None
    interval: Interval | None
    tests: tuple[Test, ...]


def compare(a: Column, b: Column, *, seed: int = SEED) -> Comparison:
    """Paired comparison of two columns over the same examples."""
    x, y = pairs_of(a, b)
    change = y - x
    tests = (wilcoxon(x, y), sign_test(x, y), permutation_test(x, y, seed=seed))
    mean = float(change.mean()) if len(change) else None
    interval = (
        bootstrap(len(change), lambda rows: change[rows].mean(axis=1), seed=seed)
        if len(change) > 1
        else None
    )
    return Comparison(
        len(change),
        mean_of(x.tolist(), seed=seed),
        mean_of(y.tolist(), seed=seed),
        mean,
        interval,
        tests,
    )


def wilcoxon(a: Column | Floats, b: Column | Floats) -> Test:
    """Wilcoxon's signed-rank test; pairs without a difference are left out, as he did."""
    change = _changes(a, b)
    if not len(change):
        return _nothing("wilcoxon")
    ties = len(np.unique(np.abs(change))) < len(change)
    exact = not ties and len(change) <= 50
    found = stats.wilcoxon(change, method="exact" if exact else "asymptotic", correction=not exact)
    return Test(
        "wilcoxon", len(change), float(found.pvalue), "exact" if exact else "normal approximation"
    )


def sign_test(a: Column | Floats, b: Column | Floats) -> Test:
    """How often one is larger, against a fair coin; pairs without a difference are left out."""
    change = _changes(a, b)
    if not len(change):
        return _nothing("sign")
    p = stats.binomtest(int((change > 0).sum()), len(change)).pvalue
    return Test("sign", len(change), float(p), "exact, binomial")


def permutation_test(a: Column | Floats, b: Column | Floats, *, seed: int = SEED) -> Test:
    """Whether the mean difference is larger than with the settings swapped at random."""
    change = _changes(a, b)
    if not len(change):
        return _nothing("permutation")
    if len(change) <= EXACT_UP_TO:
        signs = np.array(list(product((1.0, -1.0), repeat=len(change))))
        method = "exact, every swap"
    else:
        generator = np.random.default_rng(seed)
        signs = generator.choice([1.0, -1.0], (DRAWS, len(change)))
        signs = np.vstack([np.ones(len(change)), signs])
        method = f"{DRAWS} random swaps, seed {seed}"
    sums = np.abs(signs @ change)
    return Test("permutation", len(change), float(np.mean(sums >= sums[0] * (1 - _TINY))), method)


def _changes(a: Column | Floats, b: Column | Floats) -> Floats:
    x, y = pairs_of(list(a), list(b))
    change = y - x
    kept: Floats = change[change != 0]
    return kept


def _nothing(name: str) -> Test:
    return Test(name, 0, None, why="undefined: no pair differs")
