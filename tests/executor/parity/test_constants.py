"""Module-level literal constants: found and overridden by name, line numbers kept."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from executor.harness import constants


def run(code: str, overrides: dict[str, Any]) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    tree = constants.override(ast.parse(code), overrides)
    exec(compile(tree, "snippet.py", "exec"), namespace)
    return namespace


CODE = """\
batch_size = 128
height = width = 256
D, H = 16 * 2, 2**4
shape = (3, [4, 5])
rate: float = -0.5
derived = batch_size * 2
call = int("3")
height, width = 32, 33
"""


def test_literals_are_found_and_the_last_one_counts() -> None:
    assert constants.find(ast.parse(CODE)) == {
        "batch_size": 128,
        "height": 32,
        "width": 33,
        "D": 32,
        "H": 16,
        "shape": (3, (4, 5)),
        "rate": -0.5,
    }


def test_overrides_reach_every_form_of_assignment() -> None:
    found = run(
        CODE, {"batch_size": 4, "width": 7, "H": 5, "shape": [1, 2], "rate": 0.1, "call": 9}
    )
    assert (found["batch_size"], found["derived"]) == (4, 8)
    assert (found["height"], found["width"]) == (32, 7)
    assert (found["D"], found["H"]) == (32, 5)
    assert found["shape"] == (1, 2)
    assert found["rate"] == 0.1
    assert found["call"] == 3


def test_nothing_but_module_level_is_touched() -> None:
    found = run("n = 3\ndef f():\n    n = 5\n    return n\nvalue = f()\n", {"n": 9})
    assert (found["n"], found["value"]) == (9, 5)


def test_line_numbers_stay_those_of_the_file() -> None:
    code = "a = b = (\n    1\n)\n\nraise KeyError\n"
    with pytest.raises(KeyError) as caught:
        run(code, {"a": 2, "b": 3})
    assert caught.traceback[-1].lineno + 1 == 5


@pytest.mark.parametrize("code", ["a = 9**9**9", "a = 1 / 0", "a = [x for x in b]", "a = -'x'"])
def test_what_is_no_literal_is_left_alone(code: str) -> None:
    assert constants.find(ast.parse(code)) == {}
