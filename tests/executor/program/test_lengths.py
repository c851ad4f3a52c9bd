"""Numbers of epochs and steps: found by name, shortened on both sides alike."""

from __future__ import annotations

import ast

import pytest

from executor.harness import lengths

MODULE = "num_epochs = 1000\nfor epoch in range(num_epochs):\n    if epoch % 100 == 0: print(epoch)"
MAIN = "def main():\n    epochs = 1000\n    for e in range(epochs): pass\nmain()"
LOOP = "for epoch in tqdm(range(1000)):\n    pass"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (MODULE, {"num_epochs": 1000}),
        (MAIN, {"epochs": 1000}),
        (LOOP, {"range_epoch": 1000}),
        ("epochs = compute()\nhidden = 1000", {}),
        ("for image in range(1000): pass", {}),
    ],
)
def test_lengths_are_found(code: str, found: dict[str, int]) -> None:
    assert lengths.find(ast.parse(code)) == found


def test_both_programs_are_shortened_alike_whatever_they_call_it() -> None:
    shorter = lengths.shorter(ast.parse(MODULE), ast.parse(MAIN))
    # What is printed every 100 epochs still is.
    assert shorter == {"num_epochs": 100, "epochs": 100}


def test_nothing_is_shortened_where_the_numbers_differ() -> None:
    assert lengths.shorter(ast.parse("epochs = 1000"), ast.parse("epochs = 999")) == {}


@pytest.mark.parametrize(
    ("code", "constants"),
    [
        ("num_epochs = 9\ntotal = num_epochs", {"num_epochs": 2}),
        ("total = 0\nfor epoch in range(9): total += 1", {"range_epoch": 2}),
    ],
)
def test_overrides_reach_where_the_length_stands(code: str, constants: dict[str, int]) -> None:
    namespace: dict[str, int] = {}
    exec(compile(lengths.override(ast.parse(code), constants), "program.py", "exec"), namespace)
    assert namespace["total"] == 2


def test_overrides_reach_into_main() -> None:
    code = "def main():\n    epochs = 9\n    return epochs\ntotal = main()"
    namespace: dict[str, int] = {}
    tree = lengths.override(ast.parse(code), {"epochs": 2})
    exec(compile(tree, "program.py", "exec"), namespace)
    assert namespace["total"] == 2
