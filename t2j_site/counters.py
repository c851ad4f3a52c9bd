"""Requests answered by all processes of one web server, in memory that they share."""

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

KINDS = ("page", "api", "admin", "static", "probe")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
# Upper ends in seconds; what took longer is only in the count.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_PREFIXES = (
    ("/api/", "api"),
    ("/admin/", "admin"),
    ("/static/", "static"),
    ("/healthz", "probe"),
    ("/readyz", "probe"),
    ("/metrics", "probe"),
)
_CELLS = len(METHODS) * len(STATUSES)
_PER_KIND = _CELLS + len(BUCKETS) + 2  # and the sum of seconds, and the count
_WIDTH = len(KINDS) * _PER_KIND
# More than one server has processes at a time. A process takes over the place of a dead one.
_PLACES = 64


def kind_of(path: str) -> str:
    return next((kind for prefix, kind in _PREFIXES if path.startswith(prefix)), "page")


@dataclass(frozen=True, slots=True)
class Totals:
    """All processes' figures for one kind of address."""

    kind: str
    requests: dict[tuple[str, str], int]
    buckets: list[int]
    seconds: float
    count: int


class Counters:
    """Each process writes a place of its own: no lock could be left held by a killed one.

    Made before the server forks, so that all its processes see the same memory.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, _PLACES * _WIDTH * 8)).cast("d")
        self._start = 0
        self._lock = threading.Lock()

    def use_place(self, number: int) -> None:
        """Called in a new process with its number among all that the server ever started."""
        self._start = number % _PLACES * _WIDTH

    def count(self, path: str, method: str, status: int, seconds: float) -> None:
        kind = self._start + KINDS.index(kind_of(path)) * _PER_KIND
        row = METHODS.index(method) if method in METHODS else len(METHODS) - 1
        column = min(max(status // 100, 1), len(STATUSES)) - 1
        with self._lock:
            self._cells[kind + row * len(STATUSES) + column] += 1
            place = bisect_left(BUCKETS, seconds)
            if place < len(BUCKETS):
                self._cells[kind + _CELLS + place] += 1
            self._cells[kind + _PER_KIND - 2] += seconds
            self._cells[kind + _PER_KIND - 1] += 1

    def totals(self) -> Iterator[Totals]:
        for number, kind in enumerate(KINDS):
            cells = [self._sum(number * _PER_KIND + cell) for cell in range(_PER_KIND)]
            pairs = [(method, status) for method in METHODS for status in STATUSES]
            yield Totals(
                kind=kind,
                requests={
                    pair: int(value)
                    for pair, value in zip(pairs, cells[:_CELLS], strict=True)
                    if value
                },
                buckets=[int(value) for value in cells[_CELLS : _CELLS + len(BUCKETS)]],
                seconds=cells[-2],
                count=int(cells[-1]),
            )

    def _sum(self, cell: int) -> float:
        return float(sum(self._cells[place * _WIDTH + cell] for place in range(_PLACES)))


here = Counters()
