"""Comparison of two arrays, relative to the reference's own scale.

An element agrees when |candidate - reference| <= rtol * (|reference| + scale) + noise, where scale
is the root mean square of the reference's finite elements and noise is the reference's own
rounding error at this probe (measured against float64, 0 where it was not). Integers, booleans
and shapes compare exactly. A tensor that is zero has scale zero: only zeros agree with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from executor.parity.outcome import Difference, Kind, Outcome, ProbeRecord, Stage

Array = np.ndarray[Any, Any]

# Denominator floor of the recorded relative error (it decides nothing).
TINY = 1e-6
# A probe's own tolerance may grow with the reference's rounding error, but never past this.
MAX_RTOL = 1e-2


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two arrays may be apart.

    rtol         relative to the element and to the reference's scale
    cosine       least cosine similarity of the whole arrays, or None
    allow_nan    NaN equals NaN at the same place
    exact_dtype  bf16 against fp32 is a mismatch (64-bit against 32-bit never is: JAX has no 64-bit
                 types unless asked)
    noise        absolute rounding error of the reference at this probe
    floor        absolute scale below which differences are rounding (0: none)
    """

    rtol: float
    cosine: float | None = None
    allow_nan: bool = False
    exact_dtype: bool = True
    noise: float = 0.0
    floor: float = 0.0


PROFILES = {
    "fp32": Tolerance(rtol=1e-5),
    "bf16": Tolerance(rtol=4e-2, cosine=0.99),
    "fp16": Tolerance(rtol=2e-2, cosine=0.995),
    "training": Tolerance(rtol=1e-2),
}


def tolerance(profile: str, **changes: Any) -> Tolerance:
    """A profile's tolerance with some fields replaced. Raises KeyError for an unknown profile."""
    return replace(PROFILES[profile], **changes)


def compare(
    name: str,
    tier: Stage,
    reference: Array,
    candidate: Array,
    allowed: Tolerance,
    *,
    kind: Kind = Kind.VALUE_MISMATCH,
) -> ProbeRecord:
    """Compare one probe. `kind` is the kind of failure when values differ.

    Shapes are compared first, then dtypes, then finiteness, then values. Never raises for
    arrays of any shape and any numeric dtype.
    """
    base = ProbeRecord(
        name=name,
        tier=tier,
        outcome=Outcome.PASS,
        shape=tuple(reference.shape),
        dtype=reference.dtype.name,
        candidate_shape=tuple(candidate.shape),
        candidate_dtype=candidate.dtype.name,
    )
    if reference.shape != candidate.shape:
        return _mismatch(base, Kind.SHAPE_MISMATCH, str(reference.shape), str(candidate.shape))
    if not same_dtype(reference.dtype, candidate.dtype, allowed.exact_dtype):
        return _mismatch(base, Kind.DTYPE_MISMATCH, reference.dtype.name, candidate.dtype.name)
    if not _inexact(reference.dtype):
        return _compare_exact(base, reference, candidate, kind)
    return _compare_close(base, _wide(reference), _wide(candidate), allowed, kind)


def same_dtype(reference: np.dtype[Any], candidate: np.dtype[Any], exact: bool = True) -> bool:
    """Whether two dtypes are the same thing on both sides.

    64-bit and 32-bit versions of a kind are; half precision against single is not when `exact`;
    signed and unsigned integers are told apart only by kind of use, so any integers agree.
    """
    left, right = _kind(reference), _kind(candidate)
    if left != right:
        return False
    if left not in "fc" or not exact:
        return True
    narrow_left, narrow_right = _narrow(reference), _narrow(candidate)
    return narrow_left == narrow_right


def agree(reference: Array, candidate: Array, allowed: Tolerance) -> bool:
    """Whether `compare` would pass, without its measurements."""
    if reference.shape != candidate.shape or not same_dtype(
        reference.dtype, candidate.dtype, allowed.exact_dtype
    ):
        return False
    if not _inexact(reference.dtype):
        return bool(np.array_equal(reference, candidate))
    left, right = _wide(reference), _wide(candidate)
    if _first_special(left, right, allowed) is not None:
        return False
    errors = _Errors.of(left, right, allowed)
    if not bool((errors.error <= errors.bound).all()):
        return False
    if allowed.cosine is None:
        return True
    crooked = cosine(errors.left, errors.right)
    return crooked is None or crooked >= allowed.cosine


def scale_of(reference: Array) -> float:
    """Root mean square of the finite elements, 0.0 for none. Safe for huge and tiny values."""
    magnitude = np.abs(_wide(reference)).reshape(-1)
    magnitude = magnitude[np.isfinite(magnitude)]
    largest = float(magnitude.max()) if magnitude.size else 0.0
    if largest == 0.0:
        return 0.0
    return largest * math.sqrt(float(np.mean(np.square(magnitude / largest))))


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "iu" or dtype.name in ("int4", "uint4"):
        return "i"
    if dtype.kind in "bfc":
        return dtype.kind
    return "f"


def _narrow(dtype: np.dtype[Any]) -> str:
    return {"float64": "float32", "complex128": "complex64"}.get(dtype.name, dtype.name)


def _inexact(dtype: np.dtype[Any]) -> bool:
    return _kind(dtype) in "fc"


def _wide(array: Array) -> Array:
    """As float64 or complex128, so that differences do not round or overflow."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _mismatch(base: ProbeRecord, kind: Kind, reference: str, candidate: str) -> ProbeRecord:
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=kind,
        first_difference=Difference(base.name, (), reference, candidate),
        message=f"{base.name}: {_words(kind)} {candidate}, the reference has {reference}.",
    )


def _words(kind: Kind) -> str:
    return "shape" if kind is Kind.SHAPE_MISMATCH else "dtype"


def _compare_exact(
    base: ProbeRecord, reference: Array, candidate: Array, kind: Kind
) -> ProbeRecord:
    unequal = np.asarray(reference != candidate)
    if not unequal.any():
        return replace(base, finite=True, max_abs_error=0.0, mean_abs_error=0.0, max_rel_error=0.0)
    index = _first(unequal)
    left, right = reference[index].item(), candidate[index].item()
    error = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
    difference = Difference(base.name, index, left, right, float(error[index]), None, tolerance=0.0)
    share = float(np.mean(unequal))
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=kind,
        finite=True,
        max_abs_error=float(error.max()),
        mean_abs_error=float(error.mean()),
        max_rel_error=float((error / np.maximum(np.abs(reference.astype(np.float64)), TINY)).max()),
        first_difference=difference,
        message=f"{base.name}{_at(index)}: {right}, the reference has {left} "
        f"({share:.1%} of the values differ; integers and booleans compare exactly).",
    )


@dataclass(frozen=True, slots=True)
class _Errors:
    """Two finite arrays (specials replaced by 0), their distance, and the distance allowed."""

    left: Array
    right: Array
    error: Array
    bound: Array

    @classmethod
    def of(cls, reference: Array, candidate: Array, allowed: Tolerance) -> _Errors:
        finite = np.isfinite(reference) & np.isfinite(candidate)
        left, right = np.where(finite, reference, 0), np.where(finite, candidate, 0)
        scale = max(scale_of(reference), allowed.floor)
        with np.errstate(all="ignore"):
            error = np.nan_to_num(np.abs(left - right), nan=math.inf, posinf=math.inf)
            bound = allowed.rtol * (np.abs(left) + scale) + allowed.noise
        return cls(left, right, error, bound)


def _compare_close(
    base: ProbeRecord, reference: Array, candidate: Array, allowed: Tolerance, kind: Kind
) -> ProbeRecord:
    special = _first_special(reference, candidate, allowed)
    errors = _Errors.of(reference, candidate, allowed)
    all_finite = bool(np.isfinite(reference).all() and np.isfinite(candidate).all())
    measured = replace(_measure(base, errors), finite=all_finite, rtol=allowed.rtol)
    if special is not None:
        return _special_difference(measured, reference, candidate, special)
    outside = ~(errors.error <= errors.bound)
    if outside.any():
        return _value_difference(measured, errors, outside, kind)
    if _too_crooked(measured, allowed):
        return replace(
            measured,
            outcome=Outcome.FAIL,
            kind=kind,
            message=f"{base.name}: cosine {measured.cosine:.6f}, at least {allowed.cosine} needed.",
        )
    return measured


def _first_special(
    reference: Array, candidate: Array, allowed: Tolerance
) -> tuple[int, ...] | None:
    """Where NaN or an infinity on one side is not the same on the other."""
    both_nan = np.isnan(reference) & np.isnan(candidate)
    with np.errstate(invalid="ignore"):
        same_infinity = np.isinf(reference) & np.isinf(candidate) & (reference == candidate)
    fine = same_infinity | (both_nan & allowed.allow_nan)
    bad = (~np.isfinite(reference) | ~np.isfinite(candidate)) & ~fine
    return _first(bad) if bad.any() else None


def _measure(base: ProbeRecord, errors: _Errors) -> ProbeRecord:
    if not errors.error.size:
        return replace(base, max_abs_error=0.0, mean_abs_error=0.0, max_rel_error=0.0)
    with np.errstate(all="ignore"):
        relative = errors.error / np.maximum(np.abs(errors.left), TINY)
        mean = float(np.mean(errors.error))
    return replace(
        base,
        max_abs_error=float(errors.error.max()),
        mean_abs_error=mean,
        max_rel_error=float(relative.max()),
        cosine=cosine(errors.left, errors.right),
        kl=largest_kl(errors.left, errors.right),
    )


def _special_difference(
    base: ProbeRecord, reference: Array, candidate: Array, index: tuple[int, ...]
) -> ProbeRecord:
    left, right = _scalar(reference[index]), _scalar(candidate[index])
    hint = (
        " NaN never equals NaN unless the contract allows it." if np.isnan(reference[index]) else ""
    )
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=Kind.NON_FINITE,
        finite=False,
        first_difference=Difference(base.name, index, left, right, None, None, 0.0),
        message=f"{base.name}{_at(index)}: {right}, the reference has {left}.{hint}",
    )


def _value_difference(
    base: ProbeRecord, errors: _Errors, outside: Array, kind: Kind
) -> ProbeRecord:
    index = _first(outside)
    expected, found = _scalar(errors.left[index]), _scalar(errors.right[index])
    gap, limit = float(errors.error[index]), float(errors.bound[index])
    relative = gap / max(float(abs(errors.left[index])), TINY)
    share = float(np.mean(outside))
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=kind,
        first_difference=Difference(base.name, index, expected, found, gap, relative, limit),
        message=f"{base.name}{_at(index)}: {_short(found)}, the reference has {_short(expected)} "
        f"(off by {gap:.3g}, {limit:.3g} allowed; {share:.1%} of the values are outside).",
    )


def _too_crooked(record: ProbeRecord, allowed: Tolerance) -> bool:
    return (
        allowed.cosine is not None and record.cosine is not None and record.cosine < allowed.cosine
    )


def cosine(left: Array, right: Array) -> float | None:
    """Cosine similarity of two finite arrays, None when one of them is zero or empty."""
    scales = scale_of(left), scale_of(right)
    if 0.0 in scales:
        return None
    a, b = left.reshape(-1) / scales[0], right.reshape(-1) / scales[1]
    with np.errstate(all="ignore"):
        value = float(np.real(np.vdot(a, b)) / a.size)
    return value if math.isfinite(value) else None


def largest_kl(left: Array, right: Array) -> float | None:
    """Largest KL(reference || candidate) over rows of (..., classes) logits, in nats.

    None for arrays that cannot be logits: rank below 2, complex, fewer than 2 classes, or empty.
    """
    if left.ndim < 2 or left.dtype.kind != "f" or left.shape[-1] < 2 or not left.size:
        return None
    with np.errstate(all="ignore"):
        p, q = _log_softmax(left), _log_softmax(right)
        divergence = float(np.max(np.sum(np.exp(p) * (p - q), axis=-1)))
    return max(divergence, 0.0) if math.isfinite(divergence) else None


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return result


def _first(mask: Array) -> tuple[int, ...]:
    """Index of the first true element in C order."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _scalar(value: Any) -> float | str:
    return str(complex(value)) if isinstance(value, complex | np.complexfloating) else float(value)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.7g}"


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
