"""Comparison: relative to the reference's own scale, exact where numbers are exact."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from executor.parity.comparison import PROFILES, agree, compare, largest_kl, scale_of, tolerance
from executor.parity.outcome import Kind, Outcome, Stage

FP32 = PROFILES["fp32"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
FINITE = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
ANY = st.floats(width=32)


def record(reference: Any, candidate: Any, allowed: Any = FP32) -> Any:
    return compare("probe", Stage.NUMERIC, np.asarray(reference), np.asarray(candidate), allowed)


def float_arrays(elements: Any = FINITE) -> Any:
    return hnp.arrays(np.float32, SHAPES, elements=elements)


@given(float_arrays())
def test_finite_array_agrees_with_itself(array: Any) -> None:
    found = record(array, array.copy())
    assert found.outcome is Outcome.PASS
    assert found.max_abs_error == 0.0


@given(float_arrays(ANY), float_arrays(ANY), st.sampled_from(sorted(PROFILES)))
@settings(max_examples=300)
def test_never_raises_and_agree_says_the_same(reference: Any, candidate: Any, profile: Any) -> None:
    allowed = PROFILES[profile]
    found = record(reference, candidate, allowed)
    assert agree(reference, candidate, allowed) is (found.outcome is Outcome.PASS)
    assert found.to_json()["name"] == "probe"


@given(float_arrays())
def test_zeros_pass_for_nothing_but_zeros(array: Any) -> None:
    assume(array.size and np.any(array))
    assert record(array, np.zeros_like(array)).outcome is Outcome.FAIL


@given(float_arrays(), st.integers(-60, 60))
def test_scaling_both_sides_changes_nothing(array: Any, power: Any) -> None:
    """The same relative error is judged alike at every scale."""
    reference = array.astype(np.float64)
    candidate = reference * (1 + 3e-6)
    factor = 2.0**power
    assert agree(reference, candidate, FP32) is agree(reference * factor, candidate * factor, FP32)


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 30)), elements=st.floats(0.5, 2.0)))
def test_an_error_of_ten_tolerances_is_caught_wherever_it_is(array: Any) -> None:
    candidate = array.copy()
    place = len(candidate) // 2
    candidate[place] += 10 * FP32.rtol * (abs(candidate[place]) + scale_of(array))
    found = record(array, candidate)
    assert found.outcome is Outcome.FAIL
    assert found.first_difference is not None
    assert found.first_difference.index == (place,)


@given(float_arrays(), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_special_value_on_one_side_never_agrees(array: Any, special: Any) -> None:
    assume(array.size)
    candidate = array.copy()
    candidate.reshape(-1)[-1] = special
    for left, right in ((array, candidate), (candidate, array)):
        found = record(left, right)
        assert found.outcome is Outcome.FAIL
        assert found.kind is Kind.NON_FINITE


def test_nan_equals_nan_only_where_the_contract_allows_it() -> None:
    array = np.array([1.0, math.nan], np.float32)
    assert record(array, array.copy()).outcome is Outcome.FAIL
    allowed = tolerance("fp32", allow_nan=True)
    assert record(array, array.copy(), allowed).outcome is Outcome.PASS
    moved = np.array([math.nan, 1.0], np.float32)
    assert record(array, moved, allowed).outcome is Outcome.FAIL


def test_infinities_of_one_sign_at_one_place_agree() -> None:
    array = np.array([-math.inf, 2.0], np.float32)
    assert record(array, array.copy()).outcome is Outcome.PASS
    assert record(array, -array).outcome is Outcome.FAIL


@given(hnp.arrays(np.int64, SHAPES, elements=st.integers(-(2**62), 2**62)))
def test_integers_compare_exactly(array: Any) -> None:
    assert record(array, array.copy()).outcome is Outcome.PASS
    assume(array.size)
    other = array.copy()
    other.reshape(-1)[0] ^= 1
    assert record(array, other).outcome is Outcome.FAIL


@given(hnp.arrays(np.bool_, SHAPES))
def test_booleans_compare_exactly(array: Any) -> None:
    assert record(array, array.copy()).outcome is Outcome.PASS
    assume(array.size)
    assert record(array, ~array).outcome is Outcome.FAIL


def test_booleans_are_not_numbers() -> None:
    assert record(np.ones(3, bool), np.ones(3, np.int32)).kind is Kind.DTYPE_MISMATCH


@pytest.mark.parametrize(
    ("reference", "candidate", "same"),
    [
        (np.float64, np.float32, True),
        (np.int64, np.int32, True),
        (np.complex128, np.complex64, True),
        (np.float32, np.float16, False),
        (np.float32, ml_dtypes.bfloat16, False),
        (ml_dtypes.bfloat16, np.float16, False),
        (np.float32, np.int32, False),
        (np.complex64, np.float32, False),
    ],
)
def test_dtypes(reference: Any, candidate: Any, same: Any) -> None:
    found = record(np.ones(2, reference), np.ones(2, candidate))
    assert (found.outcome is Outcome.PASS) is same
    if not same:
        assert found.kind is Kind.DTYPE_MISMATCH


@given(SHAPES, SHAPES)
def test_shapes_compare_first(left: Any, right: Any) -> None:
    found = record(np.zeros(left, np.float32), np.zeros(right, np.int8))
    assert found.kind is (Kind.SHAPE_MISMATCH if left != right else Kind.DTYPE_MISMATCH)


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_empty_and_scalar_arrays(shape: Any) -> None:
    assert record(np.zeros(shape, np.float32), np.zeros(shape, np.float32)).outcome is Outcome.PASS


@given(hnp.arrays(np.complex64, SHAPES, elements=st.complex_numbers(max_magnitude=1e3, width=64)))
def test_complex_numbers(array: Any) -> None:
    assert record(array, array.copy()).outcome is Outcome.PASS
    assume(array.size and np.abs(array).max() > 1e-3)
    assert record(array, array * 1j).outcome is Outcome.FAIL


@given(float_arrays())
def test_bfloat16_within_one_rounding_agrees(array: Any) -> None:
    rounded = array.astype(ml_dtypes.bfloat16)
    again = (rounded.astype(np.float32) * 1.002).astype(ml_dtypes.bfloat16)
    assert record(rounded, again, PROFILES["bf16"]).outcome is Outcome.PASS


def test_cosine_rejects_what_the_bound_would_accept() -> None:
    generator = np.random.default_rng(0)
    reference = generator.normal(size=100).astype(np.float16)
    loose = replace(PROFILES["fp16"], rtol=10.0)
    assert record(reference, -reference, loose).outcome is Outcome.FAIL


@pytest.mark.parametrize("value", [1e-300, 1e-30, 1e30, 1e300])
def test_huge_and_tiny_scales(value: Any) -> None:
    reference = np.array([value, -value])
    assert record(reference, reference * (1 + 1e-7)).outcome is Outcome.PASS
    assert record(reference, reference * (1 + 1e-3)).outcome is Outcome.FAIL


def test_rounding_noise_of_the_reference_widens_the_bound() -> None:
    reference = np.array([0.0, 1e-9])
    candidate = np.array([1e-9, 0.0])
    assert record(reference, candidate).outcome is Outcome.FAIL
    assert record(reference, candidate, tolerance("fp32", noise=2e-9)).outcome is Outcome.PASS
    assert record(reference, candidate, tolerance("fp32", floor=1.0)).outcome is Outcome.PASS


def test_record_holds_what_a_person_needs() -> None:
    found = record(np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]]))
    difference = found.first_difference
    assert difference is not None
    assert difference.index == (0, 1)
    assert (difference.reference, difference.candidate) == (2.0, 2.5)
    assert difference.abs_error == pytest.approx(0.5)
    assert difference.rel_error == pytest.approx(0.25)
    assert difference.tolerance is not None
    assert difference.tolerance < 1e-4
    assert "probe[0, 1]: 2.5, the reference has 2" in found.message


def test_kl_of_logits() -> None:
    logits = np.array([[0.0, 0.0], [1.0, 3.0]])
    assert largest_kl(logits, logits + 5.0) == pytest.approx(0.0, abs=1e-12)
    shifted = np.array([[0.0, math.log(3.0)], [1.0, 3.0]])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert largest_kl(logits, shifted) == pytest.approx(expected)
    assert largest_kl(np.zeros(3), np.zeros(3)) is None
