"""What the shapes of both sides say under other constructor arguments.

A square matrix does not show which of its axes is the input. Under other sizes it does: where the
reference's weight grows to (12, 6) and the candidate's to (6, 12), it lies transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import recipe

MAX_VARIANTS = 6
# Larger arguments are counts and limits rather than sizes worth building twice.
LARGEST = 4096


def variants(arguments: Any) -> Iterator[Any]:
    """The same arguments with the sizes among them made unequal: all at once, then one by one."""
    if isinstance(arguments, Mapping):
        places: list[Any] = [key for key, value in arguments.items() if is_size(value)]
    elif isinstance(arguments, list | tuple):
        places = [place for place, value in enumerate(arguments) if is_size(value)]
    else:
        return
    if len(places) < 2:
        return
    yield _grown(arguments, {place: 2 + number for number, place in enumerate(places)})
    for place in places[: MAX_VARIANTS - 1]:
        yield _grown(arguments, {place: 2})


def is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 < value <= LARGEST


def _grown(arguments: Any, factors: Mapping[Any, int]) -> Any:
    if isinstance(arguments, Mapping):
        return {key: value * factors.get(key, 1) for key, value in arguments.items()}
    return [
        value * factors[place] if place in factors else value
        for place, value in enumerate(arguments)
    ]


def told(
    plans: list[Mapping[str, Any]],
    path: str,
    known: Sequence[tuple[Any, Mapping[str, tuple[int, ...]]]],
    shapes_under: Callable[[Any], Mapping[str, tuple[int, ...]]],
) -> Mapping[str, Any] | None:
    """The one of the recipes for `path` that fits under every variant that tells them apart.

    `known` has the reference's shapes by variant; `shapes_under` gives the candidate's.
    """
    chosen: list[int] = []
    for arguments, theirs in known:
        shape = shapes_under(arguments).get(path)
        fitting = [number for number, plan in enumerate(plans) if _fits(plan, theirs, shape)]
        if len(fitting) == 1:
            chosen += fitting
    return plans[chosen[0]] if chosen and len(set(chosen)) == 1 else None


def _fits(
    plan: Mapping[str, Any], theirs: Mapping[str, tuple[int, ...]], shape: tuple[int, ...] | None
) -> bool:
    if shape is None or not set(recipe.names(plan)) <= set(theirs):
        return False
    empty = {name: np.zeros(theirs[name], np.int8) for name in recipe.names(plan)}
    try:
        return tuple(recipe.apply(plan, empty).shape) == shape
    except recipe.BadRecipe:
        return False
