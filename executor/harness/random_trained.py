"""Carried parameters once the program has ended: found again in whatever holds them then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .random_carry import Carried, Carrier

Array = np.ndarray[Any, Any]
MAX_HOLDERS = 8
MAX_ARRAYS = 20_000
# Trees shaped like parameters that are none: gradients, moments, earlier and averaged ones.
ELSE = re.compile(r"grad|update|opt|moment|veloc|ema|avg|best|old|prev|init|delta|target")
MOMENTS = frozenset(("mu", "nu", "trace", "opt_state", "inner_state", "ema", "acc_grads"))
SEPARATORS = ("::", "/", ".")


def reported(carrier: Carrier, namespace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each kind of module that took carried parameters: every trained tree that fits it.

    Modules of one structure (three tries of one network) share their trees. A tree that still has
    initial values is none: JAX leaves old arrays where they are.
    """
    trees = [
        tree
        for name, value in namespace.items()
        if not ELSE.search(name.lower()) and (tree := arrays_of(value))
    ]
    alike: dict[Any, list[int]] = {}
    for number, module in carrier.plans.items():
        shapes = tuple((path, array.shape) for path, array in module.initial.items())
        alike.setdefault(shapes, []).append(number)
    found = []
    for numbers in alike.values():
        modules = [carrier.plans[number] for number in numbers]
        holders = [held for tree in trees if (held := holding(modules[0], tree)) is not None]
        trained = [
            held for held in holders if not any(is_initial(held, each.initial) for each in modules)
        ]
        found.append(
            {
                "modules": [
                    {"photo": number, "recipes": dict(module.recipes)}
                    for number, module in zip(numbers, modules, strict=True)
                ],
                "holders": trained[:MAX_HOLDERS],
            }
        )
    return found


def arrays_of(value: Any) -> dict[tuple[str, ...], Any]:
    """Floating arrays of a value by the names on the way to them."""
    try:
        leaves, _ = jax.tree_util.tree_flatten_with_path(value)
    except Exception:
        return {}
    if len(leaves) > MAX_ARRAYS:
        return {}
    return {
        tuple(names(path)): leaf
        for path, leaf in leaves
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)
    }


def names(path: Any) -> Iterator[str]:
    """The steps of a path, without those that only box a value."""
    for step in path:
        for kind in ("key", "name", "idx"):
            if hasattr(step, kind):
                text = str(getattr(step, kind))
                if text not in ("value", "raw_value"):
                    yield text
                break


def holding(module: Carried, tree: Mapping[tuple[str, ...], Any]) -> dict[str, Array] | None:
    """The module's parameters in a tree, by leaf path; None unless all are there, shaped alike."""
    wanted = {path: steps_of(path) for path in module.initial}
    first = next(iter(wanted.values()))
    for place in tree:
        prefix = place[: len(place) - len(first)]
        if place[len(prefix) :] != first or MOMENTS & set(prefix):
            continue
        held = {path: tree.get((*prefix, *steps)) for path, steps in wanted.items()}
        if all(
            array is not None and array.shape == module.initial[path].shape
            for path, array in held.items()
        ):
            return {path: np.asarray(array, np.float32) for path, array in held.items()}
    return None


def steps_of(path: str) -> tuple[str, ...]:
    """A leaf path as names; the collection `params` may or may not be on the way."""
    for separator in SEPARATORS:
        if separator in path:
            steps = tuple(path.split(separator))
            return steps[1:] if steps[0] == "params" else steps
    return (path,)


def is_initial(held: Mapping[str, Array], initial: Mapping[str, Array]) -> bool:
    return all(
        np.allclose(array, initial[path], rtol=1e-5, atol=1e-7) for path, array in held.items()
    )
