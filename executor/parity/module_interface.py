"""Probes of the interface: the candidate's own inputs, and its parameter tree."""

from __future__ import annotations

import ast
import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from executor.harness import constants, recipe
from executor.parity.comparison import same_dtype
from executor.parity.flatten import arrays
from executor.parity.module_candidate import Observed
from executor.parity.module_reference import Recorded
from executor.parity.outcome import Difference, Kind, Outcome, ProbeRecord, Stage


def records(tree: ast.Module, recorded: Recorded, observed: Observed) -> list[ProbeRecord]:
    """Interface probes: the candidate's own inputs, and its parameter tree."""
    found = []
    if observed.own_inputs is not None and _same_constants(tree, recorded):
        found.append(_inputs_record(recorded, observed))
    found.append(_tree_record(recorded, observed))
    return found


def _same_constants(tree: ast.Module, recorded: Recorded) -> bool:
    """Whether every size that was overridden has its name in the candidate too."""
    known = constants.find(tree)
    return all(name in known for name in recorded.report["constants"])


def _inputs_record(recorded: Recorded, observed: Observed) -> ProbeRecord:
    # A number may be given as a Python number or as an array without axes; values are ours.
    declared = arrays(recorded.visible["inputs"]["declared"], "input").values()
    ours = [each for each in declared if each.ndim]
    theirs = [each for each in observed.own_inputs or () if each[0]]
    base = ProbeRecord("get_inputs", Stage.SPEC, Outcome.PASS)
    expected = [f"{each.dtype.name}{tuple(each.shape)}" for each in ours]
    given = [f"{dtype}{shape}" for shape, dtype in theirs]
    same = len(ours) == len(theirs) and all(
        left.shape == shape and _input_dtype(left.dtype, dtype)
        for left, (shape, dtype) in zip(ours, theirs, strict=True)
    )
    if same:
        return base
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=Kind.SHAPE_MISMATCH,
        first_difference=Difference(base.name, (), ", ".join(expected), ", ".join(given)),
        message=f"get_inputs() gives {', '.join(given) or 'nothing'}; the reference's gives "
        f"{', '.join(expected) or 'nothing'}.",
    )


def _input_dtype(reference: np.dtype[Any], name: str) -> bool:
    try:
        return same_dtype(reference, np.dtype(name), exact=False)
    except TypeError:
        return name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")


def _tree_record(recorded: Recorded, observed: Observed) -> ProbeRecord:
    """Every parameter the reference uses must be somewhere in the candidate, and none more."""
    missing = _missing(recorded, observed)
    base = ProbeRecord("parameter tree", Stage.SPEC, Outcome.PASS)
    extra = () if observed.library in ("plain", "functional") else observed.extra
    if not missing and not extra:
        return base
    shapes = {name: tuple(a.shape) for name, a in recorded.visible["parameters"].items()}
    shapes |= {name: tuple(a.shape) for name, a in recorded.visible["buffers"].items()}
    left = ", ".join(f"{name} {shapes.get(name, '')}" for name in missing[:5])
    right = ", ".join(
        f"{path} {observed.tree[path][0]}" for path in observed.extra[:5] if path in observed.tree
    )
    parts = [f"nothing in the candidate takes the reference's {left}"] if missing else []
    parts += [f"nothing in the reference fills the candidate's {right}"] if right else []
    return replace(
        base,
        outcome=Outcome.FAIL,
        kind=Kind.PARAMETER_TREE_MISMATCH,
        first_difference=Difference(base.name, (), left or None, right or None),
        message=f"The parameter trees differ: {'; '.join(parts)}.",
    )


def _missing(recorded: Recorded, observed: Observed) -> list[str]:
    """Reference tensors that matter and that are not wholly in the candidate's parameters."""
    shapes = {name: a.shape for name, a in recorded.visible["parameters"].items()}
    shapes |= {name: a.shape for name, a in recorded.visible["buffers"].items()}
    taken = _wholly_taken(observed, shapes)
    unused = set(recorded.hidden.get("gradients", {}).get("unused", ()))
    running = {
        name
        for name in recorded.visible["buffers"]
        if name.endswith(("running_mean", "running_var"))
    }
    wanted = [name for name in recorded.visible["parameters"] if name not in unused]
    return [name for name in [*wanted, *sorted(running)] if name not in taken]


def _wholly_taken(observed: Observed, shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    """Reference tensors every element of which went into the candidate, by its own report."""
    reached: dict[str, list[Any]] = {}
    for entry in observed.mapping:
        for name in set(recipe.names(entry.recipe)) & set(shapes):
            with contextlib.suppress(recipe.BadRecipe):
                used = recipe.used(entry.recipe, name, shapes[name])
                reached.setdefault(name, []).append(used)
    return {
        name
        for name, parts in reached.items()
        if len(np.unique(np.concatenate(parts))) == math.prod(shapes[name])
    }
