"""T2J_Comparison: which of two translations is better, asked in both orders."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from scoring.metrics.base import Case, Measure, Question

_CHOICE = re.compile(
    r"^\W*better\W*[:=]\W*(?:translation\s+)?(?P<choice>1|2|tie)\W*$", re.IGNORECASE | re.MULTILINE
)
FORWARD, BACKWARD = "comparison_forward", "comparison_backward"


class Comparison:
    """1 when the second setting's translation is better, -1 when the first's is, 0 for a tie.

    `comparison_forward` shows the first setting's translation first, `comparison_backward` last:
    a judge that prefers what it sees first contradicts itself, which the tables count.
    """

    name = "comparison"
    title = "T2J_Comparison"
    version = 1
    from_verdicts = False
    use = "comparison"
    measures = (
        Measure(FORWARD, "Comparison, in order"),
        Measure(BACKWARD, "Comparison, order swapped"),
    )

    def settings(self) -> dict[str, Any]:
        return {"orders": 2, "ties": True}

    def questions(self, cases: Sequence[Case], repeats: int) -> Iterator[Question]:
        """Every two settings' translations of the same example and sample, in order of `cases`."""
        groups: dict[tuple[str, int], list[Case]] = {}
        for case in cases:
            if case.code:
                groups.setdefault((case.example, case.sample), []).append(case)
        for group in groups.values():
            for first, second in combinations(group, 2):
                for repeat in range(repeats):
                    yield _question(first, second, FORWARD, repeat)
                    yield _question(first, second, BACKWARD, repeat)

    def read(self, answer: str) -> float | None:
        return read_choice(answer)


def _question(first: Case, second: Case, measure: str, repeat: int) -> Question:
    shown = (first, second) if measure == FORWARD else (second, first)
    assert shown[0].code and shown[1].code
    names = "/".join(case.setting for case in shown)
    return Question(
        first.id,
        measure,
        "comparison",
        {
            "pytorch_code": first.pytorch_code,
            "first": shown[0].code,
            "second": shown[1].code,
        },
        f"judge/comparison/{names}/{first.example}/{first.sample}",
        repeat,
        other=second.id,
    )


def read_choice(answer: str) -> float | None:
    """-1 for the one shown first, 1 for the other, 0 for a tie; None when it does not say.

    A line `Better: 1`, `Better: 2` or `Better: tie` counts; two different ones are none.
    """
    choices = {found["choice"].lower() for found in _CHOICE.finditer(answer)}
    if len(choices) != 1:
        return None
    return {"1": -1.0, "2": 1.0, "tie": 0.0}[choices.pop()]


def as_second(value: float, measure: str) -> float:
    """An answer as seen from the second setting: swapped orders turn it around."""
    return value if measure == FORWARD else -value
