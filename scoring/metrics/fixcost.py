"""T2J_FixCost: what repairing a setting's drafts took, in steps and in effort.

Equation 1: the sum over drafts of the number of their fix steps; its mean divides by the drafts.
Besides all steps, those that mend behaviour are counted alone, and every step by its effort.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.statistics.fixcost import FixCost, fixcost_of

_TOKEN = re.compile(r"\w+|[^\w\s]")
MEASURES = ("seconds", "lines", "tokens", "rungs")


@dataclass(frozen=True, slots=True)
class StepEffort:
    """One fix step. What is not known of it is None.

    `seconds`: active time. `lines` and `tokens`: removed and added ones. `rungs`: of the ladder
    parse, import, run, spec, numeric, behavioral, pass that the verdict climbed, 0 if it fell.
    """

    behaviour: bool
    seconds: float | None = None
    lines: int | None = None
    tokens: int | None = None
    rungs: int | None = None


@dataclass(frozen=True, slots=True)
class SettingCost:
    """FixCost over a setting's drafts: all steps, behaviour alone, and weighted by effort."""

    all: FixCost
    behaviour: FixCost
    weighted_total: float
    weighted_mean: float | None


def setting_costs(settings: Sequence[Sequence[Sequence[StepEffort]]]) -> list[SettingCost]:
    """The costs of several settings, each a list of drafts, each a list of steps.

    The weight of a step is the mean over what is known of it, each measure divided by its mean
    over all steps of all settings: a step of average effort counts 1.
    """
    steps = [step for drafts in settings for draft in drafts for step in draft]
    means = {measure: _mean_known(steps, measure) for measure in MEASURES}
    return [_cost(drafts, means) for drafts in settings]


def changed(before: str, after: str) -> tuple[int, int]:
    """Lines and tokens that were removed plus those that were added."""
    return (
        _distance(before.splitlines(), after.splitlines()),
        _distance(_TOKEN.findall(before), _TOKEN.findall(after)),
    )


def _cost(drafts: Sequence[Sequence[StepEffort]], means: dict[str, float]) -> SettingCost:
    weights = [weight(step, means) for draft in drafts for step in draft]
    total = sum(weights)
    return SettingCost(
        fixcost_of([len(draft) for draft in drafts]),
        fixcost_of([sum(step.behaviour for step in draft) for draft in drafts]),
        total,
        total / len(drafts) if drafts else None,
    )


def weight(step: StepEffort, means: dict[str, float]) -> float:
    """The effort of a step in steps of average effort; 1 where nothing is known."""
    known = [
        value / means[measure]
        for measure in MEASURES
        if means[measure] and (value := getattr(step, measure)) is not None
    ]
    return sum(known) / len(known) if known else 1.0


def _mean_known(steps: Sequence[StepEffort], measure: str) -> float:
    values = [value for step in steps if (value := getattr(step, measure)) is not None]
    return sum(values) / len(values) if values else 0.0


def _distance(before: Sequence[str], after: Sequence[str]) -> int:
    # Without junk: a token that occurs often is as much work as any other.
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return sum(
        (end - start) + (new_end - new_start)
        for tag, start, end, new_start, new_end in matcher.get_opcodes()
        if tag != "equal"
    )
