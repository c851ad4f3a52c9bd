"""What execution says: the share of translations that parse, run, and match the reference."""

from collections.abc import Sequence
from typing import Any

from scoring.metrics.base import Case, Measure, Read, Value, Verdict

_BEFORE = {"parses": ("parse",), "runs": ("parse", "import", "run")}
NO_CODE = "no code in the answer"


class Execution:
    """0 or 1 per translation; an answer without code does none of the three.

    An undecided verdict is never a pass and never a fail: it leaves the number open, and says why.
    """

    name = "execution"
    title = "Execution"
    version = 1
    from_verdicts = True
    measures = (
        Measure("parses", "Parses"),
        Measure("runs", "Runs"),
        Measure("matches", "Matches"),
    )

    def settings(self) -> dict[str, Any]:
        return {}

    def reads(self, case: Case) -> Read:
        if case.code == "":
            return NO_CODE
        if case.verdict is None:
            return None
        verdict = case.verdict
        return [case.runtime, verdict.outcome, verdict.stage, verdict.kind, verdict.reason]

    def score(self, cases: Sequence[Case]) -> list[list[Value]]:
        return [[self._value(case, each.name) for each in self.measures] for case in cases]

    def _value(self, case: Case, measure: str) -> Value:
        if case.code == "":
            return Value(case.id, measure, 0.0, NO_CODE)
        assert case.verdict is not None
        found = reached(case.verdict, measure)
        if found is None:
            return Value(case.id, measure, None, f"undecided: {case.verdict.reason}")
        return Value(case.id, measure, float(found), case.verdict.kind)


def reached(verdict: Verdict, measure: str) -> bool | None:
    """Whether a verdict says that the translation parses, runs or matches; None: it does not."""
    if verdict.outcome == "undecided":
        return None
    if verdict.outcome == "pass":
        return True
    return measure != "matches" and verdict.stage not in _BEFORE[measure]
