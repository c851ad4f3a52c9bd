"""Clocks for measured runs: wall and processor time, and JAX's compiling apart from the rest."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

# Tracing, lowering and compiling, as JAX itself tells of them.
COMPILING = "/jax/core/compile/"
FEWEST_CALLS, MOST_CALLS = 5, 200
CALLING_S = 1.0


class Stopwatch:
    """Seconds of wall and processor time (children included) since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), processor_seconds()

    def read(self) -> dict[str, float]:
        return {
            "wall_s": time.perf_counter() - self._wall,
            "cpu_s": processor_seconds() - self._cpu,
        }


class Compilations:
    """The intervals in which JAX traced, lowered or compiled. Nested ones count once."""

    def __init__(self) -> None:
        self._intervals: list[tuple[float, float]] = []

    def listen(self) -> None:
        from jax import monitoring

        monitoring.register_event_duration_secs_listener(self.note)

    def note(self, event: str, seconds: float, **_: Any) -> None:
        if event.startswith(COMPILING):
            now = time.perf_counter()
            self._intervals.append((now - seconds, now))

    def seconds(self) -> float:
        """Length of the union of all intervals."""
        total, reached = 0.0, float("-inf")
        for start, end in sorted(self._intervals):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total


def processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def forward_times(call: Callable[[], Any]) -> dict[str, float]:
    """Times of one call of a model: the first, which compiles, and the median of later ones."""
    watch = Stopwatch()
    call()
    first = watch.read()
    later: list[float] = []
    until = time.perf_counter() + CALLING_S
    while len(later) < FEWEST_CALLS or (len(later) < MOST_CALLS and time.perf_counter() < until):
        started = time.perf_counter()
        call()
        later.append(time.perf_counter() - started)
    steady = statistics.median(later)
    return {**first, "compile_s": max(0.0, first["wall_s"] - steady), "steady_s": steady}
