"""Counts as shares of their sum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Share:
    """A count and its part of the whole, from 0 to 1; 0 when the whole is 0."""

    count: int
    share: float


def shares_of(counts: Mapping[Key, int]) -> dict[Key, Share]:
    """Each count with its share of the sum of all, in the given order."""
    whole = sum(counts.values())
    return {key: Share(count, count / whole if whole else 0.0) for key, count in counts.items()}
