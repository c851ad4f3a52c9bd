"""What a metric sees, what it gives, and what it promises. Plain data, no Django."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from scoring.metrics.fixcost import StepEffort

# Plain JSON data: what a score was computed from.
Read: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What execution decided about a translation."""

    outcome: str
    stage: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of the reference and of the translation, and how they were measured."""

    reference: float
    candidate: float
    source: str


@dataclass(frozen=True, slots=True)
class Case:
    """One translation as metrics see it. What is None is not known; `code` "" is no code."""

    id: int
    setting: str
    runtime: str
    example: str
    sample: int
    pytorch_code: str
    code: str | None
    reference: str
    verdict: Verdict | None = None
    undecided: str = ""
    steps: tuple[StepEffort, ...] | None = None
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One number, or why there is none. `other` is the second translation of a comparison."""

    case: int
    measure: str
    value: float | None
    why: str = ""
    other: int | None = None
    repeat: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked: the prompt `use`, filled with `fields`, about `subject`."""

    case: int
    measure: str
    use: str
    fields: Mapping[str, str]
    subject: str
    repeat: int = 0
    other: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of numbers. `high` is the best value of its scale; `better` which way is good."""

    name: str
    title: str
    high: float | None = 1.0
    better: str = "higher"


class Metric(Protocol):
    """A metric has a name, a version that changes with its numbers, and measures."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def measures(self) -> tuple[Measure, ...]: ...

    @property
    def from_verdicts(self) -> bool:
        """Whether its numbers depend on the verifier, and so on its version."""

    def settings(self) -> dict[str, Any]:
        """Everything besides the case that its numbers depend on."""


class Computed(Metric, Protocol):
    """A metric that computes its numbers."""

    def reads(self, case: Case) -> Read:
        """What of the case its numbers depend on; None where it has nothing to say yet."""

    def score(self, cases: Sequence[Case]) -> list[list[Value]]:
        """The values of each case, in order."""


class Judged(Metric, Protocol):
    """A metric that asks a language model, with one prompt: `use`."""

    @property
    def use(self) -> str: ...

    def questions(self, cases: Sequence[Case], repeats: int) -> Iterator[Question]:
        """What is to be asked."""

    def read(self, answer: str) -> float | None:
        """The number in an answer; None when it does not say one."""


def digest(content: Read) -> str:
    """SHA-256 over plain data, the same in every process."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
