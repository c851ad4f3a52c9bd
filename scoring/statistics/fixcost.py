"""FixCost: how many fix steps a draft took."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FixCost:
    """Steps per draft over `drafts` drafts. The numbers after `total` are None without drafts."""

    drafts: int
    total: int
    mean: float | None = None
    median: float | None = None
    min: int | None = None
    max: int | None = None


def fixcost_of(steps_per_draft: Sequence[int]) -> FixCost:
    """Summarise the number of steps of each draft; a draft that needed none counts as 0."""
    if not steps_per_draft:
        return FixCost(drafts=0, total=0)
    return FixCost(
        drafts=len(steps_per_draft),
        total=sum(steps_per_draft),
        mean=statistics.fmean(steps_per_draft),
        median=float(statistics.median(steps_per_draft)),
        min=min(steps_per_draft),
        max=max(steps_per_draft),
    )
