"""Kaplan-Meier: which share has not come through after so many steps."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Survival:
    """At `time`: how many were still under way, came through, or were left; who goes on."""

    time: int
    at_risk: int
    events: int
    censored: int
    share: float


def kaplan_meier(events: Mapping[int, int], censored: Mapping[int, int]) -> list[Survival]:
    """The curve from counts by time; what is censored at a time was at risk at that time.

    `share` is the estimated share that needs more than `time`.
    """
    left, share, found = sum(events.values()) + sum(censored.values()), 1.0, []
    for time in sorted(events.keys() | censored.keys()):
        came, gone = events.get(time, 0), censored.get(time, 0)
        share *= 1 - came / left
        found.append(Survival(time, left, came, gone, share))
        left -= came + gone
    return found


def median_of(curve: list[Survival]) -> int | None:
    """The first time after which at most half goes on; None while more than half does."""
    return next((point.time for point in curve if point.share <= 0.5), None)
