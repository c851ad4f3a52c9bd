"""The statistics against SciPy, published values and values by hand."""

import math
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scoring.statistics.agreement import (
    auc,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    reliability,
)
from scoring.statistics.corrections import benjamini_hochberg, holm
from scoring.statistics.correlation import METHODS, kendall, pearson, spearman
from scoring.statistics.paired import compare, permutation_test, sign_test, wilcoxon
from scoring.statistics.pass_at_k import pass_at_k
from scoring.statistics.sampling import mean_of, share_interval

X = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
Y = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
TIED = [1, 2, 2, 3, 3, 3, 4, 4, 5, 5]
# Darwin's maize (1876): cross- minus self-fertilised, in eighths of an inch.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(pearson, stats.pearsonr), (spearman, stats.spearmanr), (kendall, stats.kendalltau)],
)
@pytest.mark.parametrize("ys", [Y, TIED])
def test_correlations_are_scipys(ours: object, theirs: object, ys: list[float]) -> None:
    found, expected = ours(X, ys), theirs(X, ys)  # type: ignore[operator]
    assert found.value == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.n == 10
    assert found.interval is not None
    assert -1 <= found.interval.low <= found.value <= found.interval.high <= 1


def test_the_published_spearman_and_kendall() -> None:
    # The textbook example of hours of television against IQ: rho = -29/165.
    assert spearman(X, Y).value == pytest.approx(-29 / 165)
    # 5 items, one swap of neighbours: 9 concordant and 1 discordant pairs.
    assert kendall([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]).value == pytest.approx(0.8)


@pytest.mark.parametrize("method", METHODS)
def test_p_is_exact_for_few_pairs(method: str) -> None:
    xs, ys = [1.0, 2.0, 4.0, 7.0, 8.0], [2.0, 1.0, 3.0, 9.0, 5.0]
    found = METHODS[method](xs, ys)
    assert found.value is not None
    scipys = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    values = [scipys[method](xs, order).statistic for order in permutations(ys)]
    stronger = sum(abs(value) >= abs(found.value) - 1e-9 for value in values)
    assert found.p == pytest.approx(stronger / math.factorial(5))
    assert found.p_method == "exact, every permutation"


def test_an_undefined_correlation_says_why() -> None:
    for method in METHODS.values():
        assert method([1, 1, 1, 1], [1, 2, 3, 4]).why == "undefined: constant"
        assert method([1, 1, 1, 1], [1, 2, 3, 4]).value is None
        assert method([1, 2], [1, 2]).why == "undefined: 2 pairs, 3 are needed"
    assert pearson([1, 2, 3, None], [2, 4, 6, 9]).n == 3
    with pytest.raises(ValueError, match="not finite"):
        pearson([1, 2, math.nan], [1, 2, 3])


def test_intervals_come_from_their_seed() -> None:
    assert spearman(X, Y, seed=7) == spearman(X, Y, seed=7)
    assert spearman(X, Y, seed=7).interval != spearman(X, Y, seed=8).interval


def test_paired_tests_on_darwins_maize() -> None:
    zeros = [0.0] * len(MAIZE)
    # Fisher 1935: 863 of the 32,768 sums are as large, doubled for both sides.
    assert permutation_test(zeros, MAIZE).p == pytest.approx(2 * 863 / 32768, abs=0.01)
    assert wilcoxon(zeros, MAIZE).p == stats.wilcoxon(MAIZE, method="exact").pvalue
    # 13 of 15 are positive.
    assert sign_test(zeros, MAIZE).p == pytest.approx(2 * (1 + 15 + 105) / 2**15)
    few = [3.0, -1.0, 4.0]
    # Sums of signs: 8 in all, 6 or more in size: +++, +-+ and their opposites.
    assert permutation_test([0, 0, 0], few).p == pytest.approx(4 / 8)


def test_a_comparison_has_everything() -> None:
    found = compare([1, 2, None, 4], [2, 2, 9, 7])
    assert found.n == 3
    assert found.difference == pytest.approx(4 / 3)
    assert [test.name for test in found.tests] == ["wilcoxon", "sign", "permutation"]
    same = compare([1, 2], [1, 2])
    assert {test.why for test in same.tests} == {"undefined: no pair differs"}
    assert compare([], []).difference is None


def test_corrections() -> None:
    # Holm by hand: 3 * .01, then the larger of 2 * .02 and that, then .03 held at .04.
    assert holm([0.02, 0.01, 0.03]).adjusted == pytest.approx((0.04, 0.03, 0.04))
    assert holm([0.9, None, 0.8]).adjusted == (1.0, None, 1.0)
    assert str(holm([0.1])) == "p values adjusted by Holm's step-down method over 1 tests"
    # Benjamini and Hochberg 1995, table 1: four of fifteen are found at .05.
    published = [
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
    ]
    found = benjamini_hochberg(published).adjusted
    assert sum(p is not None and p <= 0.05 for p in found) == 4
    assert sum(p is not None and p <= 0.05 for p in holm(published).adjusted) == 3


def test_cohens_kappa() -> None:
    # The textbook table of 50 proposals: 20 and 15 agreed, 5 and 10 not.
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(first, second).value == pytest.approx(0.4)
    # Weighted by hand: observed 1/3, by chance (1*1*2 + 1*1*1 + 1*2*... )/9.
    found = cohen_kappa([0, 1, 2], [0, 2, 2], weights="linear")
    by_chance = sum(abs(a - b) for a in (0, 1, 2) for b in (0, 2, 2)) / 9
    assert found.value == pytest.approx(1 - (1 / 3) / by_chance)
    assert cohen_kappa(["a", "a"], ["a", "a"]).why == "undefined: constant"
    assert cohen_kappa([None], ["a"]).why.startswith("undefined: no unit")


def test_fleiss_kappa() -> None:
    # Fourteen raters, ten subjects, five categories: the textbook's 0.210.
    table = [
        *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
        *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
    ]
    assert fleiss_kappa(table).value == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa([[2, 0], [2, 0]]).why == "undefined: constant"
    with pytest.raises(ValueError, match="same number of raters"):
        fleiss_kappa([[2, 0], [1, 0]])


def test_krippendorffs_alpha() -> None:
    # Krippendorff 2011, section E: four observers, twelve units, missing values.
    n = None
    observers: list[list[float | None]] = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ]
    units = list(zip(*observers, strict=True))
    assert krippendorff_alpha(units).value == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(units, "ordinal").value == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(units, "interval").value == pytest.approx(0.849, abs=5e-4)
    assert krippendorff_alpha([[1, 1], [1, 1]]).why == "undefined: constant"


def test_auc_is_mann_whitney() -> None:
    scores, labels = [0, 1, 2, 2, 3, 4, 4], [False, False, True, False, True, True, False]
    positives = [s for s, y in zip(scores, labels, strict=True) if y]
    negatives = [s for s, y in zip(scores, labels, strict=True) if not y]
    expected = stats.mannwhitneyu(positives, negatives).statistic / 12
    assert auc(scores, labels).value == pytest.approx(expected)
    assert auc([1, 2], [True, True]).why == "undefined: constant"


def test_reliability() -> None:
    found = reliability([4, 4, 0, 2, None], [True, False, False, True, True], scale=4)
    assert [(row.score, row.n, row.share) for row in found.rows] == [
        (0, 1, 0.0),
        (2, 1, 1.0),
        (4, 2, 0.5),
    ]
    assert found.gap == pytest.approx((0 + 0.5 + 2 * 0.5) / 4)
    assert found.bias == pytest.approx((0 - 0.5 + 2 * 0.5) / 4)


def test_pass_at_k() -> None:
    # 3 of 10 right: two drawn are both wrong with 7/10 * 6/9.
    assert pass_at_k(10, 3, 2) == pytest.approx(1 - 7 / 10 * 6 / 9)
    assert pass_at_k(5, 0, 1) == 0
    assert pass_at_k(5, 5, 5) == 1
    assert pass_at_k(1, 1, 2) is None
    with pytest.raises(ValueError, match="cannot be"):
        pass_at_k(2, 3, 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8))
def test_pass_at_k_counts_the_draws(n: int, correct: int, k: int) -> None:
    if correct > n or k > n:
        return
    draws = list(permutations(range(n), min(k, 4))) if k <= 4 else None
    if draws is not None:
        share = sum(any(at < correct for at in draw) for draw in draws) / len(draws)
        assert pass_at_k(n, correct, k) == pytest.approx(share)


def test_means_and_shares() -> None:
    assert mean_of([]).value is None
    assert mean_of([2.0]).interval is None
    found = mean_of([1, 2, 3, None])
    assert (found.n, found.value, found.sd) == (3, 2.0, 1.0)
    interval = share_interval(8, 10)
    assert interval is not None
    # Wilson 1927 for 8 of 10 at 95 %.
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=5e-4)
