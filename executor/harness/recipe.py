"""How one candidate parameter is made from the reference's: a few linear array operations.

A recipe is plain data, shown in the verdict and applied on both sides: in the box to initial
parameters, on the trusted side to gradients and trained parameters. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Step = tuple[str, Any]
Recipe = Mapping[str, Any]
MAX_STEPS = 8
MAX_SOURCES = 8


class BadRecipe(ValueError):
    """The recipe names what is not there, or cannot be applied."""


def recipe(
    sources: Sequence[tuple[str, Sequence[Step]]],
    combine: str = "one",
    steps: Sequence[Step] = (),
) -> dict[str, Any]:
    """A recipe: each source's own steps, how they are combined (one, sum, concat0), the rest."""
    return {
        "sources": [{"name": name, "steps": [list(s) for s in own]} for name, own in sources],
        "combine": combine,
        "steps": [list(step) for step in steps],
    }


def simple(name: str, *steps: Step) -> dict[str, Any]:
    """A recipe of one source."""
    return recipe([(name, steps)])


def apply(plan: Recipe, arrays: Mapping[str, Array]) -> Array:
    """The candidate's array of values.

    Raises BadRecipe for an unknown source or an operation that does not fit.
    """
    try:
        sources = plan["sources"]
        if not 1 <= len(sources) <= MAX_SOURCES:
            raise BadRecipe("A recipe has 1 to 8 sources.")
        parts = [_run(arrays[each["name"]], each["steps"]) for each in sources]
        return _run(_combine(parts, str(plan["combine"])), plan["steps"])
    except BadRecipe:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadRecipe(f"The recipe does not apply: {error}") from error


def moved(plan: Recipe, arrays: Mapping[str, Array]) -> Array:
    """The candidate's array of differences (moves): constants of the recipe do not count."""
    return apply(_linear(plan), arrays)


def counts(plan: Recipe, arrays: Mapping[str, Array]) -> Array:
    """How many of the reference's elements are summed into each of the candidate's."""
    ones = {name: np.ones(np.shape(arrays[name])) for name in names(plan) if name in arrays}
    return apply(_linear(plan), ones)


def averaged(plan: Recipe, arrays: Mapping[str, Array]) -> Array:
    """The candidate's array of gradients: every summand has the sum's gradient."""
    total = moved(plan, arrays)
    if plan["combine"] != "sum":
        return total
    return (total / np.maximum(counts(plan, arrays), 1)).astype(total.dtype)


def _linear(plan: Recipe) -> Recipe:
    return {**plan, "steps": [step for step in plan["steps"] if step[0] != "shift"]}


def names(plan: Recipe) -> list[str]:
    """Reference parameters the recipe uses."""
    return [str(each["name"]) for each in plan["sources"]]


def used(plan: Recipe, name: str, shape: Sequence[int]) -> Array:
    """Flat indices of the elements of tensor `name` that reach the result.

    Raises BadRecipe when the recipe does not apply to a tensor of that shape.
    """
    own = [each for each in plan["sources"] if each["name"] == name]
    marks = {name: 1 + np.arange(math.prod(shape), dtype=np.int64).reshape(tuple(shape))}
    # Steps after a concatenation need the whole.
    after = [] if plan["combine"] == "concat0" else plan["steps"]
    parts = [np.ravel(moved({**plan, "sources": [each], "steps": after}, marks)) for each in own]
    reached = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    return reached[reached > 0] - 1


def words(plan: Recipe) -> str:
    """The recipe as a person reads it: `fc.weight transposed`."""
    texts = []
    for each in plan["sources"]:
        texts.append(" ".join([str(each["name"]), *(_step_words(s) for s in each["steps"])]))
    joined = {"sum": " + ", "concat0": " | "}.get(str(plan["combine"]), ", ").join(texts)
    return " ".join([joined, *(_step_words(s) for s in plan["steps"])])


def _step_words(step: Sequence[Any]) -> str:
    operation, argument = step[0], step[1]
    if operation == "transpose":
        return "transposed" if list(argument) == [1, 0] else f"axes {list(argument)}"
    if operation == "slice":
        return f"[{argument[1]}:{argument[2]}]" + (f" of axis {argument[0]}" if argument[0] else "")
    if operation == "zero":
        return f"without [{argument[1]}:{argument[2]}]"
    if operation == "shift":
        return f"{argument[3]:+} at [{argument[1]}:{argument[2]}]"
    return f"{operation}{list(argument)}"


def _combine(parts: list[Array], how: str) -> Array:
    if len(parts) == 1:
        return parts[0]
    if how == "sum":
        total: Array = np.sum(np.stack(parts), axis=0)
        return total
    if how == "concat0":
        return np.concatenate(parts, axis=0)
    raise BadRecipe(f"Unknown way to combine: {how!r}.")


def _run(array: Array, steps: Sequence[Sequence[Any]]) -> Array:
    if len(steps) > MAX_STEPS:
        raise BadRecipe("A recipe has at most 8 steps.")
    for operation, argument in steps:
        array = _apply_step(array, str(operation), argument)
    return array


def _apply_step(array: Array, operation: str, argument: Any) -> Array:
    numbers = [int(each) for each in argument]
    if operation == "transpose":
        return np.transpose(array, numbers)
    if operation == "flip":
        flipped: Array = np.flip(array, tuple(numbers))
        return flipped
    if operation == "reshape":
        if math.prod(numbers) != array.size or any(each < 0 for each in numbers):
            raise BadRecipe("A reshape changes the number of elements.")
        return array.reshape(numbers)
    if operation == "order":
        axis, *blocks = numbers
        return np.concatenate([np.split(array, len(blocks), axis)[b] for b in blocks], axis)
    if operation in ("slice", "zero", "shift"):
        return _apply_cut(array, operation, numbers)
    raise BadRecipe(f"Unknown operation {operation!r}.")


def _apply_cut(array: Array, operation: str, numbers: Sequence[int]) -> Array:
    """One stretch of an axis: taken out (slice), set to zero (zero), or raised (shift)."""
    axis, start, stop = numbers[:3]
    # A box's report reaches this on the trusted side: a start of -10**12 would fill memory.
    if not 0 <= start <= stop:
        raise BadRecipe("A slice starts before its axis.")
    stop = min(stop, array.shape[axis])
    if operation == "slice":
        return array.take(range(start, stop), axis=axis)
    changed = array.copy()
    place = (*[slice(None)] * axis, slice(start, stop))
    changed[place] = 0 if operation == "zero" else changed[place] + numbers[3]
    return changed
