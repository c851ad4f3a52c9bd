"""Contracts are data: what is read, what is refused and with which words, what is recognised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.parity.contract import (
    CASES,
    PROFILES,
    Contract,
    ContractError,
    Pin,
    Shape,
    recognise_shape,
)
from executor.parity.engine import contract_hash

MODULE = "import torch\nclass Model: ...\ndef get_inputs(): return []\n"
PROGRAM = "import torch\ntorch.manual_seed(0)\nprint(torch.rand(2).sum())\n"
FUNCTIONS = "import torch\nSCALE = 2.0\ndef f(x):\n    return SCALE * x\n"

CONTRACTS = st.builds(
    Contract,
    kind=st.sampled_from(Shape),
    seed=st.integers(0, 1000),
    profile=st.sampled_from(PROFILES),
    cases=st.lists(st.sampled_from(CASES), min_size=1, unique=True).map(tuple),
    gradients=st.booleans(),
    training_steps=st.integers(0, 10),
    constants=st.dictionaries(st.sampled_from(["batch_size", "D"]), st.integers(1, 9)),
    pins=st.dictionaries(st.just("w"), st.builds(Pin, st.just("fc.weight"), st.just("flipped"))),
    observe_reference=st.sampled_from(["", "observe('y', f(1))"]),
    tolerances=st.dictionaries(st.just("output*"), st.floats(0, 0.1)),
    allow_nan=st.booleans(),
)


@given(CONTRACTS)
def test_what_is_written_is_read_back(contract: Contract) -> None:
    assert Contract.from_json(contract.to_json()) == contract


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        (MODULE, Shape.MODULE),
        (PROGRAM, Shape.PROGRAM),
        (FUNCTIONS, Shape.FUNCTIONS),
        ("for i in range(3):\n    print(i)\n", Shape.PROGRAM),
        ("def f():\n    return 1\nif __name__ == '__main__':\n    f()\n", Shape.PROGRAM),
        ("class Model: ...\n", Shape.FUNCTIONS),
    ],
)
def test_the_shape_is_recognised(code: str, shape: Shape) -> None:
    assert recognise_shape(code, "") is shape


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "JSON object"),
        ({"version": 9}, "version 9"),
        ({"sed": 1}, "Unknown field 'sed'"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"profile": "fp64"}, "fp32"),
        ({"cases": ["tiny"]}, "declared"),
        ({"cases": []}, "declared"),
        ({"constants": {"a b": 1}}, "name of a constant"),
        ({"constants": {"a": {"b": 1}}}, "must be a number"),
        ({"constants": 3}, "batch_size"),
        ({"pins": {"w": {"layout": "as_is"}}}, "source"),
        ({"pins": {"w": {"source": "a", "layout": "upside down"}}}, "layout"),
        ({"observe_reference": "def"}, "not Python"),
        ({"inputs": "../secret.npz"}, "attached"),
        ({"tolerances": {"output": 5}}, "between 0 and 0.1"),
        ({"gradients": 1}, "true or false"),
        ({"wall_s": "long"}, "not a number"),
        ({"kind": "poem"}, "module"),
    ],
)
def test_a_bad_contract_is_refused_in_words(data: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        Contract.from_json(data)


def test_the_hash_is_of_everything_but_the_candidate() -> None:
    plain = contract_hash(MODULE, None, {})
    assert plain == contract_hash(MODULE, None, {})
    different = {
        contract_hash(MODULE + "\n", None, {}),
        contract_hash(MODULE, Contract(), {}),
        contract_hash(MODULE, Contract(seed=1), {}),
        contract_hash(MODULE, None, {"data.csv": b"1"}),
        contract_hash(MODULE, None, {"data.csv": b"2"}),
    }
    assert len(different | {plain}) == 6
