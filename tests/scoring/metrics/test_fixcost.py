"""FixCost: Equation 1, Table 5's numbers, and weights by effort."""

import pytest

from scoring.metrics.fixcost import StepEffort, changed, setting_costs
from scoring.statistics.fixcost import FixCost

STEP, FORMAT = StepEffort(True), StepEffort(False)


def test_total_and_mean_over_drafts() -> None:
    [cost] = setting_costs([[[STEP, STEP, FORMAT], [], [STEP]]])
    assert cost.all == FixCost(drafts=3, total=4, mean=4 / 3, median=1.0, min=0, max=3)
    assert cost.behaviour == FixCost(drafts=3, total=3, mean=1.0, median=1.0, min=0, max=2)


def test_without_drafts_there_are_no_numbers() -> None:
    [cost] = setting_costs([[]])
    assert cost.all.mean is None
    assert cost.weighted_mean is None


def test_a_step_of_average_effort_counts_one() -> None:
    light = StepEffort(True, seconds=30, lines=2, tokens=4, rungs=1)
    heavy = StepEffort(True, seconds=90, lines=6, tokens=12, rungs=3)
    cheap, costly = setting_costs([[[light, light]], [[heavy], [heavy]]])
    # Means: 60 s, 4 lines, 8 tokens, 2 rungs: half and one and a half of everything.
    assert (cheap.weighted_total, cheap.weighted_mean) == (1.0, 1.0)
    assert (costly.weighted_total, costly.weighted_mean) == (3.0, 1.5)


def test_what_is_not_known_of_a_step_does_not_count() -> None:
    timed, untimed = StepEffort(True, seconds=10, lines=1), StepEffort(True, lines=3)
    [cost] = setting_costs([[[timed, untimed]]])
    # timed: mean of 10/10 and 1/2; untimed: 3/2.
    assert cost.weighted_total == pytest.approx(0.75 + 1.5)
    [nothing] = setting_costs([[[STEP, STEP]]])
    assert nothing.weighted_total == 2


def test_changed_lines_and_tokens() -> None:
    assert changed("a = 1\nb = 2\n", "a = 1\nb = 3\n") == (2, 2)
    assert changed("a\n", "a\n") == (0, 0)
    assert changed("", "x = f(y)\n") == (1, 6)
