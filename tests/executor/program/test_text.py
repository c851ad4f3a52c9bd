"""Printed text read as lines of words and numbers."""

from __future__ import annotations

import pytest

from executor.parity import text


def only(printed: str) -> text.Line:
    lines = text.read(printed)
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        ("w: tensor([[1.5000, 2.0000]], grad_fn=<AddmmBackward0>)", "w: [[1.5 2. ]]"),
        ("tensor([1, 2, 3])", "Array([1, 2, 3], dtype=int32)"),
        ("torch.Size([3, 4])", "(3, 4)"),
        ("Loss: tensor(0.2500, requires_grad=True)", "Loss: 0.25"),
        ("x = tensor([1.], dtype=torch.float64)", "x = [1.]"),
        ("value np.float32(3.5)", "value 3.5"),
        ("PyTorch result: 3.2", "JAX result: 3.2"),
        ("Model saved to model.pth", "Model saved to params.msgpack"),
        ("dtype: torch.float32", "dtype: float32"),
        ("labels torch.int64", "labels int32"),
        ("Parameter containing:\ntensor([[2.]], requires_grad=True)", "[[2.]]"),
    ],
)
def test_dress_carries_no_meaning(reference: str, candidate: str) -> None:
    ours, theirs = text.comparable(reference), text.comparable(candidate)
    assert [line.template for line in ours] == [line.template for line in theirs]


def test_a_tensor_over_several_lines_is_one() -> None:
    lines = text.read("w: tensor([[1.5, 2.0],\n        [3.0, 4.0]],\n       grad_fn=<T>)\nnext 1.0")
    assert [line.position for line in lines] == [1, 4]
    assert [number.value for number in lines[0].numbers] == [1.5, 2.0, 3.0, 4.0]


def test_an_unclosed_bracket_swallows_nothing() -> None:
    assert len(text.read("[ open\nEpoch 1\nEpoch 2\n")) == 3


@pytest.mark.parametrize(
    ("printed", "value", "unit", "integer"),
    [
        ("1.25e-3", 1.25e-3, 1e-5, False),
        ("95.2%", 95.2, 0.1, False),
        ("-7", -7.0, 0.0, True),
        ("1,234,567", 1234567.0, 0.0, True),
        ("inf", float("inf"), 0.0, False),
        (".5", 0.5, 0.1, False),
    ],
)
def test_numbers(printed: str, value: float, unit: float, integer: bool) -> None:
    (number,) = only(f"x {printed}").numbers
    assert (number.value, number.integer) == (value, integer)
    assert number.unit == pytest.approx(unit)


def test_digits_in_names_are_no_numbers() -> None:
    assert only("fc1 conv2d layer_3 epoch10").numbers == ()


def test_numpy_drops_zeros_but_not_exactness() -> None:
    units = {number.unit for number in only("[1.25 2.  3.5 ]").numbers}
    assert units == {0.01}


@pytest.mark.parametrize(
    "printed",
    [
        " 50%|#####     | 5/10 [00:01<00:01, 3.2it/s]",
        "Using device: cpu",
        "Net(\n  (fc1): Linear(in_features=10, out_features=5, bias=True)\n)",
        "Linear(in_features=3, out_features=1, bias=True)",
        "SGD (\nParameter Group 0\n    lr: 0.1\n)",
        "<class 'torch.Tensor'>",
        "UserWarning: something",
        "\rstep 1 3.0it/s\r",
    ],
)
def test_set_aside(printed: str) -> None:
    assert text.comparable(printed) == []


def test_only_the_last_overwrite_shows() -> None:
    assert only("loss 3.0\rloss 2.0\rloss 1.0").numbers[0].value == 1.0


@pytest.mark.parametrize(
    ("printed", "timings"),
    [
        ("Training time: 0.23s", [True]),
        ("Elapsed 3.1 seconds for 100 steps", [True, False]),
        ("Time step 5: value 0.3", [False, False]),
        ("took 12.5 ms", [True]),
        ("loss 0.5", [False]),
    ],
)
def test_measurements_of_time(printed: str, timings: list[bool]) -> None:
    assert [number.timing for number in only(printed).numbers] == timings


def test_a_missing_line_does_not_shift_the_rest() -> None:
    ours = text.comparable("start\nEpoch 1 loss 0.5\nEpoch 2 loss 0.4\ndone")
    theirs = text.comparable("Epoch 1 loss 0.5\nEpoch 2 loss 0.4\ndone")
    pairs = text.align(ours, theirs)
    assert [pair.alike for pair in pairs] == [False, True, True, True]
    assert pairs[0].candidate is None


def test_hostile_text_is_read_in_time() -> None:
    assert text.read("[" * 200_000) == []
    assert len(text.read("((" * 50_000 + "1.0 " * 50_000)) == 1
    assert text.read("tensor(" * 20_000) == []
