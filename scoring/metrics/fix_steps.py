"""FixCost per translation, as scores."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from scoring.metrics.base import Case, Measure, Read, Value


class FixSteps:
    """How many fix steps a translation took, and how many of them mend behaviour.

    A translation that was not taken up for repair, or whose repair is not finished, has no cost
    yet: that is not a cost of 0.
    """

    name = "fixcost"
    title = "T2J_FixCost"
    version = 1
    from_verdicts = True
    measures = (
        Measure("fixcost", "Fix steps", high=None, better="lower"),
        Measure("fixcost_behaviour", "Fix steps, behaviour only", high=None, better="lower"),
    )

    def settings(self) -> dict[str, Any]:
        return {}

    def reads(self, case: Case) -> Read:
        return None if case.steps is None else [asdict(step) for step in case.steps]

    def score(self, cases: Sequence[Case]) -> list[list[Value]]:
        return [self._values(case) for case in cases]

    def _values(self, case: Case) -> list[Value]:
        assert case.steps is not None
        behaviour = sum(step.behaviour for step in case.steps)
        efforts = {"efforts": [asdict(step) for step in case.steps]}
        return [
            Value(case.id, "fixcost", float(len(case.steps)), detail=efforts),
            Value(case.id, "fixcost_behaviour", float(behaviour)),
        ]
