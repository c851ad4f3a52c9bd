"""Measured run times and speed-ups of translations that match (Tables 4 and 9)."""

from collections.abc import Sequence
from typing import Any

from scoring.metrics.base import Case, Measure, Read, Value

DOES_NOT_MATCH = "does not match: its time says nothing"


class RunTime:
    """Seconds of the translation, and how many times faster than its reference it is.

    Only translations that match are timed: a program that stops early is fast for nothing.
    """

    name = "run_time"
    title = "Run time"
    version = 1
    from_verdicts = True
    measures = (
        Measure("seconds", "Seconds", high=None, better="lower"),
        Measure("reference_seconds", "Seconds of the reference", high=None, better="lower"),
        Measure("speedup", "Speed-up against the reference", high=None),
    )

    def settings(self) -> dict[str, Any]:
        return {}

    def reads(self, case: Case) -> Read:
        if case.verdict is None or case.times is None:
            return None
        times = case.times
        return [case.verdict.outcome, times.reference, times.candidate, times.source]

    def score(self, cases: Sequence[Case]) -> list[list[Value]]:
        return [self._values(case) for case in cases]

    def _values(self, case: Case) -> list[Value]:
        assert case.verdict is not None and case.times is not None
        times = case.times
        found = {
            "seconds": times.candidate,
            "reference_seconds": times.reference,
            "speedup": times.reference / times.candidate if times.candidate else None,
        }
        detail = {"source": times.source}
        if case.verdict.outcome != "pass":
            return [Value(case.id, name, None, DOES_NOT_MATCH, detail=detail) for name in found]
        return [Value(case.id, name, value, detail=detail) for name, value in found.items()]
