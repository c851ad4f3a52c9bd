"""Handing recorded draws to a candidate's requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from executor.harness.random_log import Draw, Log, decode, encode
from executor.harness.random_match import Replayer
from executor.harness.random_request import Options, Request


def draw(family: str, shape: tuple[int, ...], seed: int = 0, **fields: Any) -> Draw:
    rng = np.random.default_rng(seed)
    values = rng.random(shape) if family == "uniform" else rng.standard_normal(shape)
    return Draw(family, shape, fields.pop("values", values), **fields)


def request(family: str, shape: tuple[int, ...], key: bytes = b"", **fields: Any) -> Request:
    return Request(family, shape, np.full(shape, 0.123), key=key, **fields)


def replayer(*draws: Draw, **options: Any) -> Replayer:
    return Replayer(Log(list(draws)), Options(**options))


def test_a_log_survives_its_encoding() -> None:
    mask = np.array([True, False, True])
    log = Log(
        [
            draw("uniform", (2, 3), line=4, operation="rand"),
            Draw("bernoulli", (3,), mask, probability=np.asarray(0.75)),
            Draw("permutation", (4,), np.array([2, 0, 3, 1])),
            Draw("normal", (), np.asarray(0.5)),
        ]
    )
    again = decode(encode(log))
    for ours, theirs in zip(log.draws, again.draws, strict=True):
        assert np.array_equal(ours.values, theirs.values)
        assert (ours.family, ours.shape, ours.line) == (theirs.family, theirs.shape, theirs.line)
    assert float(again.draws[1].probability) == 0.75  # type: ignore[arg-type]


def test_order_comes_before_orientation() -> None:
    first, last = draw("uniform", (16, 1), 1, weight=True), draw("uniform", (1, 16), 2, weight=True)
    shared = replayer(first, last)
    assert np.array_equal(shared.answer(request("uniform", (1, 16))), first.values.T)
    assert np.array_equal(shared.answer(request("uniform", (16, 1))), last.values.T)


def test_square_weights_are_turned_and_square_data_is_not() -> None:
    weight, data = draw("uniform", (4, 4), 1, weight=True), draw("uniform", (4, 4), 2)
    shared = replayer(weight, data)
    assert np.array_equal(shared.answer(request("uniform", (4, 4))), weight.values.T)
    assert np.array_equal(shared.answer(request("uniform", (4, 4))), data.values)
    as_is = replayer(weight, transpose_squares=False)
    assert np.array_equal(as_is.answer(request("uniform", (4, 4))), weight.values)


def test_images_are_moved_never_reshaped() -> None:
    images = draw("normal", (2, 3, 4, 5))
    given = replayer(images).answer(request("normal", (2, 4, 5, 3)))
    assert np.array_equal(given, np.moveaxis(images.values, 1, -1))


def test_kernels_are_moved() -> None:
    kernel = draw("uniform", (6, 3, 5, 5), weight=True)
    given = replayer(kernel).answer(request("uniform", (5, 5, 3, 6)))
    assert np.array_equal(given, kernel.values.transpose(2, 3, 1, 0))


def test_a_block_in_pieces() -> None:
    block = draw("normal", (3, 40, 2))
    shared = replayer(block)
    rows = [shared.answer(request("normal", (40, 2))) for _ in range(3)]
    assert np.array_equal(np.stack(rows), block.values)
    assert shared.entries[0].used


def test_pieces_as_a_block() -> None:
    rows = [draw("normal", (40, 2), seed) for seed in range(3)]
    given = replayer(*rows).answer(request("normal", (3, 40, 2)))
    assert np.array_equal(given, np.stack([row.values for row in rows]))


def test_one_draw_per_row_under_vmap() -> None:
    block = draw("normal", (5, 2))
    shared = replayer(block)
    given = shared.answer_block([request("normal", (2,), bytes([i])) for i in range(5)])
    assert np.array_equal(given, block.values)


@pytest.mark.parametrize(("have", "want"), [((1, 2), (2,)), ((1,), ()), ((7,), (7, 1))])
def test_ones_carry_no_meaning(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    given = replayer(draw("uniform", have)).answer(request("uniform", want))
    assert given.shape == want


def test_a_key_always_gives_one_draw() -> None:
    shared = replayer(draw("normal", (3,), 1), draw("normal", (3,), 2))
    once = shared.answer(request("normal", (3,), b"k"))
    assert np.array_equal(shared.answer(request("normal", (3,), b"k")), once)
    assert not np.array_equal(shared.answer(request("normal", (3,), b"other")), once)


def test_a_reused_key_stays_visible_across_families_and_shapes() -> None:
    shared = replayer(draw("uniform", (4,), 1), draw("normal", (2,), 2))
    first = shared.answer(request("uniform", (4,), b"k"))
    second = shared.answer(request("normal", (2,), b"k"))
    assert np.argsort(second).tolist() == np.argsort(first[:2]).tolist()
    assert not np.allclose(second, shared.entries[1].draw.values)


def test_a_program_that_seeds_anew_draws_the_same_on_both_sides() -> None:
    again = draw("normal", (3,), 1)
    shared = replayer(draw("normal", (3,), 1), again, draw("normal", (3,), 9))
    shared.answer(request("normal", (3,), b"k"))
    shared.answer(request("normal", (3,), b"k"))
    third = shared.answer(request("normal", (3,), b"new"))
    assert np.array_equal(third, shared.entries[2].draw.values)


def mask_of(probability: float, size: int = 4000) -> Draw:
    values = np.random.default_rng(0).random(size) < probability
    return Draw("bernoulli", (size,), values, probability=np.asarray(probability))


def test_a_mask_is_the_recorded_one_at_its_own_probability() -> None:
    mask = mask_of(0.75)
    asked = request("bernoulli", (4000,), probability=np.asarray(np.float32(0.75)))
    assert np.array_equal(replayer(mask).answer(asked), mask.values)


@pytest.mark.parametrize("other", [0.1, 0.7, 0.8])
def test_a_mask_asked_for_at_another_probability_is_another(other: float) -> None:
    mask = mask_of(0.75)
    given = replayer(mask).answer(request("bernoulli", (4000,), probability=np.asarray(other)))
    assert not np.array_equal(given, mask.values)
    assert abs(given.mean() - other) < 0.05


def test_a_mask_of_what_is_dropped_is_the_complement() -> None:
    mask = mask_of(0.75)
    asked = request("bernoulli", (4000,), probability=np.asarray(0.25))
    assert np.array_equal(replayer(mask).answer(asked), ~mask.values)


def test_a_fair_mask_can_be_read_either_way() -> None:
    mask = mask_of(0.5)
    asked = request("bernoulli", (4000,), probability=np.asarray(0.5))
    assert np.array_equal(replayer(mask).answer(asked), mask.values)
    assert np.array_equal(replayer(mask, flip_masks=True).answer(asked), ~mask.values)


def test_a_mask_made_by_what_exceeds_the_rate() -> None:
    mask = mask_of(0.75)
    given = replayer(mask, flip_masks=True).answer(request("uniform", (4000,)))
    assert np.array_equal(given.astype(np.float32) > np.float32(0.25), mask.values)


def test_a_scaled_truncated_normal_stands_for_a_normal() -> None:
    weight = draw("normal", (3, 2), weight=True)
    shared = replayer(weight)
    given = shared.answer(request("truncated_normal", (2, 3), corrected=True))
    assert np.allclose(given / 0.87962566103423978, weight.values.T)
    other = replayer(weight)
    other.answer(request("truncated_normal", (2, 3)))
    assert other.unanswered == 1


def test_a_mask_made_by_hand_from_uniform_numbers() -> None:
    mask = mask_of(0.75)
    given = replayer(mask).answer(request("uniform", (4000,))).astype(np.float32)
    assert np.array_equal(given < np.float32(0.75), mask.values)


def test_a_choice_is_shared_only_where_it_was_as_likely() -> None:
    chances = np.array([0.2, 0.3, 0.5])
    picked = Draw("categorical", (2,), np.array([2, 0]), probability=chances)
    fair = request("categorical", (2,), probability=chances)
    assert replayer(picked).answer(fair).tolist() == [2, 0]
    unfair = replayer(picked)
    unfair.answer(request("categorical", (2,), probability=np.array([0.4, 0.3, 0.3])))
    assert unfair.unanswered == 1


def test_whole_numbers_need_the_same_bounds() -> None:
    whole = Draw("integers", (3,), np.array([4, 5, 6]), low=4, high=9)
    shifted = replayer(whole).answer(request("integers", (3,), low=0, high=5))
    assert shifted.tolist() == [0, 1, 2]
    other = replayer(whole)
    other.answer(request("integers", (3,), low=0, high=6))
    assert other.unanswered == 1


def test_a_family_does_not_answer_another() -> None:
    shared = replayer(draw("uniform", (3,)))
    given = shared.answer(request("normal", (3,)))
    assert given.tolist() == [0.123] * 3
    assert shared.served[0].how == "no counterpart"


def test_dead_draws_are_never_handed_out() -> None:
    shared = replayer(draw("uniform", (3,), 1, dead=True), draw("uniform", (3,), 2))
    assert np.array_equal(shared.answer(request("uniform", (3,))), shared.entries[1].draw.values)


def test_default_weights_are_left_where_they_are_carried() -> None:
    default = draw("uniform", (3, 2), 1, weight=True, default=True)
    shared = replayer(default, draw("uniform", (2, 3), 2), skip_defaults=True)
    assert np.array_equal(shared.answer(request("uniform", (2, 3))), shared.entries[1].draw.values)
    asked = request("uniform", (2, 3), initialiser=True)
    assert np.array_equal(shared.answer(asked), default.values.T)


def test_gates_one_by_one() -> None:
    packed = draw("uniform", (12, 5), weight=True)
    shared = replayer(packed)
    gates = [shared.answer(request("uniform", (5, 3))) for _ in range(4)]
    assert np.array_equal(np.concatenate([gate.T for gate in gates]), packed.values)


def test_one_key_shuffles_two_arrays_alike_and_draws_nothing_else() -> None:
    order = Draw("permutation", (5,), np.array([3, 1, 4, 0, 2]))
    other = Draw("permutation", (5,), np.array([0, 1, 2, 3, 4]))
    shared = replayer(order, other, draw("normal", (3,)))
    asked = request("permutation", (5,), b"k", high=5)
    assert shared.answer(asked).tolist() == shared.answer(asked).tolist() == [3, 1, 4, 0, 2]
    assert shared.answer(request("normal", (3,), b"k")).tolist() == [0.123] * 3


@pytest.mark.parametrize(
    ("family", "parameter", "other"),
    [
        ("gamma", np.asarray(2.0), np.asarray(3.0)),
        ("poisson", np.full(3, 4.0), np.asarray(5.0)),
        ("dirichlet", np.array([1.0, 2.0]), np.array([2.0, 1.0])),
    ],
)
def test_families_with_parameters_answer_only_their_own(
    family: str, parameter: Any, other: Any
) -> None:
    values = np.arange(6.0).reshape(3, 2) if family == "dirichlet" else np.arange(3.0)
    drawn = Draw(family, values.shape, values, probability=parameter)
    given = replayer(drawn).answer(request(family, values.shape, probability=parameter))
    assert np.array_equal(given, values)
    stranger = replayer(drawn)
    stranger.answer(request(family, values.shape, probability=other))
    assert stranger.unanswered == 1


def test_a_beta_number_is_the_first_dirichlet_share() -> None:
    shares = np.array([[0.2, 0.8], [0.7, 0.3]])
    drawn = Draw("dirichlet", (2, 2), shares, probability=np.array([2.0, 5.0]))
    asked = request("beta", (2,), probability=np.array([2.0, 5.0]))
    assert replayer(drawn).answer(asked).tolist() == [0.2, 0.7]


def test_laplace_numbers_follow_the_sign_of_pytorch() -> None:
    drawn = Draw("uniform", (2,), np.array([0.25, 0.75]), low=-1.0, high=1.0)
    given = replayer(drawn).answer(request("laplace", (2,)))
    assert np.allclose(given, [np.log(0.5), -np.log(0.5)])


def test_a_parameter_made_by_hand_becomes_the_references() -> None:
    weight = draw("uniform", (3, 2), weight=True, default=True, low=-0.5, high=0.5)
    shared = replayer(weight, by_hand=((1, 0.1, 0.0),))
    made = 0.1 * shared.answer(request("normal", (2, 3)))
    assert np.allclose(made, (weight.values - 0.5).T)


def test_zeros_become_a_bias_that_pytorch_draws() -> None:
    bias = draw("uniform", (3,), weight=True, default=True, parameter="Net.fc.bias")
    shared = replayer(bias)
    assert shared.bias((4,)) is None
    given = shared.bias((3,))
    assert given is not None and np.array_equal(given, bias.values)
    assert shared.bias((3,)) is None
