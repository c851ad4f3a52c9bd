"""Impostors of a module: wrong programs that the contract must reject before a pass counts.

They are built from the reference's own recorded run. A passing candidate shows the same values,
so they are the impostors of the candidate too, and the candidate's box has no say in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from executor.parity.flatten import arrays
from executor.parity.module_probes import Judge
from executor.parity.outcome import Outcome, Strength

Array = np.ndarray[Any, Any]
# A contract that accepts one of these compares nothing worth the name.
ESSENTIAL = ("all zeros", "constant mean", "inputs ignored")


def measure(judge: Judge) -> Strength:
    """Which impostors the contract rejects."""
    rejected: list[str] = []
    accepted: list[str] = []
    for name, fools in impostors(judge):
        (accepted if fools else rejected).append(name)
    return Strength(tuple(rejected), tuple(accepted))


def too_weak(strength: Strength) -> str:
    """Why a pass under this contract does not count; "" when it does."""
    if not strength.rejected:
        return "it rejects none of the impostors it was tried on"
    fooled = [name for name in ESSENTIAL if name in strength.accepted]
    if fooled:
        return f"it also accepts a program that gives {' and '.join(fooled)}"
    return ""


def impostors(judge: Judge) -> Iterator[tuple[str, bool]]:
    """Each impostor's name, and whether the contract would let it pass."""
    outputs: Mapping[str, Any] = judge.recorded.hidden["outputs"]
    real = {case: arrays(tree, "output") for case, tree in outputs.items()}
    declared = real["declared"]
    yield "all zeros", _accepted(judge, real, {c: _zeros(t) for c, t in real.items()})
    if _can_vary(real):
        means = {name: _mean(value) for name, value in declared.items()}
        flat = {
            case: {n: np.full_like(v, means[n]) if n in means else v for n, v in tree.items()}
            for case, tree in real.items()
        }
        yield "constant mean", _accepted(judge, real, flat)
    if len(real) > 1:
        yield "inputs ignored", _accepted(judge, real, dict.fromkeys(real, declared))
    if any(value.ndim >= 2 and value.size > 1 for value in declared.values()):
        yield "wrong axis", _accepted(judge, real, {c: _turned(t) for c, t in real.items()})
    yield from _recorded_impostors(judge, real)


def _recorded_impostors(
    judge: Judge, real: Mapping[str, Mapping[str, Array]]
) -> Iterator[tuple[str, bool]]:
    """Impostors the reference was run for: transposed weights, dropped biases, modes, rates."""
    hidden = judge.recorded.hidden
    made = hidden.get("impostors", {})
    case = made.get("case")
    for name, output in made.get("outputs", {}).items():
        yield name, _accepted(judge, {case: real[case]}, {case: arrays(output, "output")})
    if "train" in hidden:
        case = hidden["train"]["case"]
        swapped = arrays(hidden["train"]["output"], "output")
        yield "train and eval swapped", _accepted(judge, {case: real[case]}, {case: swapped})
    if "doubled_rate" in made:
        found = {"losses": made["doubled_rate"], "moved": {}}
        records = judge.training(found, ())
        yield "wrong learning rate", all(r.outcome is Outcome.PASS for r in records)


def _accepted(
    judge: Judge,
    real: Mapping[str, Mapping[str, Array]],
    fake: Mapping[str, Mapping[str, Array]],
) -> bool:
    return all(judge.accepts(case, tree, fake[case]) for case, tree in real.items())


def _can_vary(real: Mapping[str, Mapping[str, Array]]) -> bool:
    """Whether a constant could differ from the outputs: not for one single number."""
    return len(real) > 1 or any(value.size > 1 for value in real["declared"].values())


def _zeros(tree: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.zeros_like(value) for name, value in tree.items()}


def _mean(value: Array) -> Any:
    if not value.size or value.dtype.kind == "b":
        return False
    with np.errstate(all="ignore"):
        mean = np.mean(value.astype(np.complex128 if value.dtype.kind == "c" else np.float64))
    return np.asarray(mean).astype(value.dtype)


def _turned(tree: Mapping[str, Array]) -> dict[str, Array]:
    """Every array reversed along its last axis that is longer than one."""
    found = {}
    for name, value in tree.items():
        axes = [axis for axis, size in enumerate(value.shape) if size > 1]
        found[name] = np.flip(value, axes[-1]) if axes else value
    return found
