"""T2J_CodeTrans: a language model's marks from 0 to 4, read strictly."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from scoring.metrics.base import Case, Measure, Question

_MARK = re.compile(
    r"^\W*(?:(?:final|overall)\s+)?(?:score|mark|rating)\W*[:=][\s*_`]*(?P<mark>\d+(?:\.\d+)?)"
    r"(?:\s*(?:/|out of)\s*4)?\W*$",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(r"[\s*_`]*(?P<mark>[0-4])(?:\s*/\s*4)?\W*")
HIGHEST = 4


class CodeTrans:
    """One of the four judges: usefulness or function, with or without the reference shown."""

    version = 1
    from_verdicts = False

    def __init__(self, use: str, title: str) -> None:
        self.name = self.use = use
        self.title = title
        self.measures = (Measure(use, title, high=float(HIGHEST)),)
        self.with_reference = use.endswith("_ref")

    def settings(self) -> dict[str, Any]:
        return {"scale": [0, HIGHEST]}

    def questions(self, cases: Sequence[Case], repeats: int) -> Iterator[Question]:
        for case in cases:
            if not case.code or (self.with_reference and not case.reference):
                continue
            fields = {"pytorch_code": case.pytorch_code, "jax_code": case.code}
            if self.with_reference:
                fields["reference"] = case.reference
            subject = f"judge/{self.name}/{case.setting}/{case.example}/{case.sample}"
            for repeat in range(repeats):
                yield Question(case.id, self.name, self.name, fields, subject, repeat)

    def read(self, answer: str) -> float | None:
        return read_mark(answer)


def read_mark(answer: str) -> float | None:
    """The whole number from 0 to 4 that an answer gives as its score.

    A line `Score: N` counts, or an answer that is nothing but the number. Two different scores,
    a fraction or a number off the scale are none: nothing is guessed.
    """
    if alone := _ALONE.fullmatch(answer):
        return float(alone["mark"])
    marks = {float(found["mark"]) for found in _MARK.finditer(answer)}
    if len(marks) != 1:
        return None
    mark = marks.pop()
    return mark if mark.is_integer() and 0 <= mark <= HIGHEST else None
