"""n-gram counts and the two n-gram components of CodeBLEU."""

import keyword
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

ORDERS = (1, 2, 3, 4)
# What stands for a count of 0 in a geometric mean (Chen and Cherry 2014, method 1).
EPSILON = 0.1
OTHER_WEIGHT = 0.2
KEYWORDS = frozenset(keyword.kwlist) | {"match", "case", "type"}

Grams: TypeAlias = Counter[tuple[str, ...]]
Ratio: TypeAlias = tuple[float, float]


def grams_of(tokens: Sequence[str]) -> list[Grams]:
    """Counts of the 1-grams to 4-grams of `tokens`."""
    return [Counter(zip(*(tokens[start:] for start in range(n)), strict=False)) for n in ORDERS]


def bleu(reference: Sequence[Grams], candidate: Sequence[Grams]) -> float:
    """BLEU-4 of one candidate against one reference (Papineni et al. 2002), from 0 to 1."""
    precisions = [
        (_overlap(own, theirs), max(1, own.total()))
        for own, theirs in zip(candidate, reference, strict=True)
    ]
    return _brevity(reference[0].total(), candidate[0].total()) * _geometric(precisions)


def weighted_recall(reference: Sequence[Grams], candidate: Sequence[Grams]) -> float:
    """The weighted n-gram match as its authors released it: recall, keywords five times as heavy.

    It knows no brevity penalty: a short candidate already misses what it leaves out.
    """
    return _geometric(_weighted(reference, candidate))


def weighted_precision(reference: Sequence[Grams], candidate: Sequence[Grams]) -> float:
    """The weighted n-gram match as it is printed: precision, with the brevity penalty."""
    brevity = _brevity(reference[0].total(), candidate[0].total())
    return brevity * _geometric(_weighted(candidate, reference))


def _weighted(whole: Sequence[Grams], found: Sequence[Grams]) -> list[Ratio]:
    """Per order how much of `whole` is in `found`; single tokens carry weights."""
    ratios: list[Ratio] = []
    for n, own, theirs in zip(ORDERS, whole, found, strict=True):
        clipped = {gram: min(count, theirs[gram]) for gram, count in own.items()}
        if n == 1:
            ratios.append((_weight(clipped), max(1, _weight(own))))
        else:
            ratios.append((sum(clipped.values()), max(1, own.total())))
    return ratios


def _weight(counts: Mapping[tuple[str, ...], int]) -> float:
    total: float = 0
    for (token,), count in counts.items():
        total += count * (1 if token in KEYWORDS else OTHER_WEIGHT)
    return total


def _overlap(own: Grams, theirs: Grams) -> int:
    return sum(min(count, theirs[gram]) for gram, count in own.items())


def _brevity(reference: int, candidate: int) -> float:
    """The brevity penalty of a candidate of so many tokens."""
    if candidate > reference:
        return 1.0
    return math.exp(1 - reference / candidate) if candidate else 0.0


def _geometric(ratios: Sequence[Ratio]) -> float:
    """The geometric mean; 0 when not even one token is shared."""
    if not ratios[0][0]:
        return 0.0
    share = 1 / len(ratios)
    return math.exp(math.fsum(share * math.log((up or EPSILON) / down) for up, down in ratios))
