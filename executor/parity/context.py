"""What every verdict says beside its decision: runtimes, times, printed text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from executor.parity.outcome import Verdict
from executor.sandbox.job import JobResult

MAX_SHOWN = 20_000


@dataclass(frozen=True, slots=True)
class Ran:
    """One side's run: its box's result, what it ran on, the parts of its time in seconds."""

    result: JobResult
    versions: Mapping[str, Any]
    times: Mapping[str, float] = field(default_factory=dict)
    text: str | None = None


def in_context(
    verdict: Verdict, reference: Ran, candidate: Ran, runtime: str = "", **more: Any
) -> Verdict:
    """The verdict with what both sides printed, ran on, and how long they took."""
    sides = {"reference": reference, "candidate": candidate}
    timings = {side: round(ran.result.wall_s, 3) for side, ran in sides.items()}
    for side, ran in sides.items():
        timings |= {f"{side} {name}": seconds for name, seconds in ran.times.items()}
    return replace(
        verdict,
        runtime={
            **({"name": runtime} if runtime else {}),
            **{side: dict(ran.versions) for side, ran in sides.items()},
        },
        timings=timings,
        stdout={
            side: (ran.result.stdout if ran.text is None else ran.text)[:MAX_SHOWN]
            for side, ran in sides.items()
        },
        isolation=candidate.result.isolation,
        **more,
    )
