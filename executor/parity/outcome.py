"""The words of a verdict: outcomes, rungs, kinds, reasons, and the records that carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNDECIDED = "undecided"


class Stage(StrEnum):
    """Rungs of the ladder, in the order in which they are climbed."""

    PARSE = "parse"
    IMPORT = "import"
    RUN = "run"
    SPEC = "spec"
    NUMERIC = "numeric"
    BEHAVIORAL = "behavioral"


class Kind(StrEnum):
    """What broke, for a `fail`."""

    SYNTAX_ERROR = "syntax_error"
    IMPORT_ERROR = "import_error"
    RUNTIME_ERROR = "runtime_error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    MISSING_OUTPUT = "missing_output"
    PARAMETER_TREE_MISMATCH = "parameter_tree_mismatch"
    SHAPE_MISMATCH = "shape_mismatch"
    DTYPE_MISMATCH = "dtype_mismatch"
    NON_FINITE = "non_finite"
    VALUE_MISMATCH = "value_mismatch"
    GRADIENT_MISMATCH = "gradient_mismatch"
    LOSS_CURVE_MISMATCH = "loss_curve_mismatch"
    TEXT_MISMATCH = "text_mismatch"


class Reason(StrEnum):
    """Why nothing could be decided, for an `undecided`."""

    INFRASTRUCTURE = "infrastructure"
    MISSING_PACKAGE = "missing_package"
    NEEDS_NETWORK = "needs_network"
    NEEDS_DATA = "needs_data"
    REFERENCE_FAILS = "reference_fails"
    REFERENCE_NOT_DETERMINISTIC = "reference_not_deterministic"
    ELIDED = "elided"
    NOTHING_COMPARED = "nothing_compared"
    CONTRACT_TOO_WEAK = "contract_too_weak"
    FLAKY = "flaky"
    AMBIGUOUS_MAPPING = "ambiguous_mapping"
    RANDOMNESS_NOT_SHARED = "randomness_not_shared"
    BAD_INPUT = "bad_input"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first element (or line) of a probe on which the two sides part.

    `index` is the element's position, () for a scalar and for whole-array differences.
    `reference` and `candidate` are the two values (numbers, shapes, dtypes or lines of text).
    `tolerance` is the largest absolute error that would have been accepted at this element.
    """

    probe: str
    index: tuple[int, ...] = ()
    reference: str | float | int | bool | None = None
    candidate: str | float | int | bool | None = None
    abs_error: float | None = None
    rel_error: float | None = None
    tolerance: float | None = None
    reference_line: int | None = None
    candidate_line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; non-finite numbers become the strings "nan", "inf", "-inf"."""
        return {
            "probe": self.probe,
            "index": list(self.index),
            "reference": plain_number(self.reference),
            "candidate": plain_number(self.candidate),
            "abs_error": plain_number(self.abs_error),
            "rel_error": plain_number(self.rel_error),
            "tolerance": plain_number(self.tolerance),
            "reference_line": self.reference_line,
            "candidate_line": self.candidate_line,
        }


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """One observation, compared. Errors are None where no numbers could be compared."""

    name: str
    tier: Stage
    outcome: Outcome
    kind: Kind | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    candidate_shape: tuple[int, ...] | None = None
    candidate_dtype: str | None = None
    finite: bool | None = None
    max_abs_error: float | None = None
    mean_abs_error: float | None = None
    max_rel_error: float | None = None
    cosine: float | None = None
    kl: float | None = None
    rtol: float | None = None
    first_difference: Difference | None = None
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tier": str(self.tier),
            "outcome": str(self.outcome),
            "kind": None if self.kind is None else str(self.kind),
            "shape": None if self.shape is None else list(self.shape),
            "dtype": self.dtype,
            "candidate_shape": None if self.candidate_shape is None else list(self.candidate_shape),
            "candidate_dtype": self.candidate_dtype,
            "finite": self.finite,
            "max_abs_error": plain_number(self.max_abs_error),
            "mean_abs_error": plain_number(self.mean_abs_error),
            "max_rel_error": plain_number(self.max_rel_error),
            "cosine": plain_number(self.cosine),
            "kl": plain_number(self.kl),
            "rtol": plain_number(self.rtol),
            "first_difference": None
            if self.first_difference is None
            else self.first_difference.to_json(),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Strength:
    """How many impostors the contract rejected. `share` is None when none could be built."""

    rejected: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        total = len(self.rejected) + len(self.accepted)
        return len(self.rejected) / total if total else None

    def to_json(self) -> dict[str, Any]:
        return {
            "rejected": list(self.rejected),
            "accepted": list(self.accepted),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one candidate, and the evidence."""

    outcome: Outcome
    stage: Stage | None = None
    kind: Kind | None = None
    reason: Reason | None = None
    message: str = ""
    exception_type: str | None = None
    traceback: str = ""
    error_line: int | None = None
    probes: tuple[ProbeRecord, ...] = ()
    strength: Strength | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    parameter_mapping: tuple[Mapping[str, Any], ...] = ()
    runtime: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    timings: Mapping[str, float] = field(default_factory=dict)
    stdout: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    contract: Mapping[str, Any] | None = None
    isolation: str = ""

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON data. Equal runs give equal data but for times.

        `seconds` is how long the verdict took, `timings` its parts as each box measured them;
        `strength` is the share of impostors rejected.
        """
        return {
            "outcome": str(self.outcome),
            "stage": None if self.stage is None else str(self.stage),
            "kind": None if self.kind is None else str(self.kind),
            "reason": None if self.reason is None else str(self.reason),
            "message": self.message,
            "exception_type": self.exception_type,
            "traceback": self.traceback,
            "error_line": self.error_line,
            "probes": [probe.to_json() for probe in self.probes],
            "strength": None if self.strength is None else self.strength.share,
            "impostors": None if self.strength is None else self.strength.to_json(),
            "constants": dict(self.constants),
            "parameter_mapping": [dict(entry) for entry in self.parameter_mapping],
            "runtime": dict(self.runtime),
            "seconds": self.seconds,
            "timings": dict(self.timings),
            "stdout": dict(self.stdout),
            "notes": list(self.notes),
            "contract": None if self.contract is None else dict(self.contract),
            "isolation": self.isolation,
        }


def undecided(reason: Reason, message: str, **details: Any) -> Verdict:
    """A verdict that decides nothing. `message` tells a person what to do about it."""
    return Verdict(Outcome.UNDECIDED, reason=reason, message=message, **details)


def failed(stage: Stage, kind: Kind, message: str, **details: Any) -> Verdict:
    """A verdict that the candidate broke at `stage`."""
    return Verdict(Outcome.FAIL, stage=stage, kind=kind, message=message, **details)


def plain_number(value: Any) -> Any:
    """Make `value` valid JSON: JSON has no NaN and no infinity, so these become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
