"""Run times that were measured on request, by program."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from curation.models import Example
from curation.models.base import sha256
from executor.contracts import hash_of
from executor.models import Measurement
from scoring.metrics.base import Times
from scoring.models import Translation

_HOW = {
    "program": "median of measured runs of the whole program, imports not counted",
    "module": "median of measured forward calls after the first",
}


@dataclass(slots=True)
class Measured:
    """The newest measurement of each program: (example, code hash, side, runtime) -> row."""

    rows: dict[tuple[int, str, str, str], Measurement] = field(default_factory=dict)
    contracts: dict[int, str] = field(default_factory=dict)

    def of(self, translation: Translation) -> Times | None:
        """Seconds of both sides; None unless both were measured, on one machine, and ended well."""
        example, runtime = translation.example, translation.setting.runtime
        reference = self.rows.get((example.pk, sha256(example.pytorch_code), "reference", "torch"))
        candidate = self.rows.get((example.pk, translation.code_hash, "candidate", runtime))
        if reference is None or candidate is None or reference.machine != candidate.machine:
            return None
        seconds = [_seconds(reference), _seconds(candidate)]
        if None in seconds or not self._current(example, reference, candidate):
            return None
        source = f"{_HOW[candidate.kind]}, on {candidate.machine}"
        return Times(seconds[0] or 0.0, seconds[1] or 0.0, source)

    def _current(self, example: Example, *rows: Measurement) -> bool:
        if example.pk not in self.contracts:
            self.contracts[example.pk] = hash_of(example)
        return all(row.contract_hash == self.contracts[example.pk] for row in rows)


def measured_times(examples: Iterable[int], device: str = "cpu") -> Measured:
    """Every newest measurement of these examples, in one query."""
    rows = Measurement.objects.filter(example__in=examples, device=device).order_by("pk")
    return Measured({(r.example_id, r.code_hash, r.side, r.runtime): r for r in rows})


def _seconds(row: Measurement) -> float | None:
    """A program's whole time, a module's steady one."""
    return row.wall_s if row.kind == "program" else row.steady_s
