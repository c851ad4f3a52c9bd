"""JAX values as plain trees of NumPy arrays, and inputs as JAX arrays."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .probe_loss import weights

TRAIN_FLAGS = ("train", "training", "is_training", "is_train", "train_mode")
EVAL_FLAGS = ("deterministic", "eval", "inference", "use_running_average", "eval_mode", "is_eval")
KEY_NAMES = ("rng", "key", "prng_key", "rng_key", "dropout_rng", "dropout_key", "prng", "seed_key")


def plain(value: Any) -> Any:
    """The tree with arrays as NumPy arrays, ready for the codec; other pytrees become lists."""
    if isinstance(value, np.ndarray | np.generic | bool | int | float | complex | str | None):
        return value
    if isinstance(value, jax.Array):
        return np.asarray(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(each) for each in value]
        return items if isinstance(value, list) else tuple(items)
    leaves = jax.tree_util.tree_leaves(value)
    if len(leaves) == 1 and leaves[0] is value:
        return value
    return [plain(each) for each in leaves]


def map_arrays(value: Any, change: Callable[[Any], Any]) -> Any:
    """The tree with every array replaced."""
    if isinstance(value, np.ndarray | jax.Array):
        return change(value)
    if isinstance(value, Mapping):
        return {key: map_arrays(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map_arrays(each, change) for each in value)
    return value


def arrays_of(value: Any) -> list[Any]:
    """Every array of the tree, in order."""
    found: list[Any] = []
    map_arrays(value, found.append)
    return found


def with_arrays(value: Any, arrays: list[Any]) -> Any:
    """The tree with its arrays replaced by `arrays`, in order."""
    source = iter(arrays)
    return map_arrays(value, lambda _: next(source))


def to_jax(value: Any) -> Any:
    """NumPy arrays as JAX arrays (64-bit types become 32-bit ones, as JAX has it)."""
    return map_arrays(value, jnp.asarray)


def mode_flags(parameters: Mapping[str, inspect.Parameter], train: bool) -> dict[str, Any]:
    """The keyword arguments that say train or eval, among those a call takes."""
    flags: dict[str, Any] = {name: train for name in TRAIN_FLAGS if name in parameters}
    flags.update({name: not train for name in EVAL_FLAGS if name in parameters})
    if "mode" in parameters and isinstance(parameters["mode"].default, str):
        flags["mode"] = "train" if train else "eval"
    return flags


def signature_of(function: Any) -> dict[str, inspect.Parameter]:
    """Parameters of a callable by name; {} where Python cannot tell."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def call_arguments(
    function: Any, inputs: Any, train: bool, skip: int = 0
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments for a call with `inputs` in a mode.

    Flags and random keys are given by name; `skip` leading parameters are the caller's own.
    """
    parameters = signature_of(function)
    positional = list(parameters)[skip:]
    args = [] if isinstance(inputs, Mapping) else list(inputs)
    named = dict(inputs) if isinstance(inputs, Mapping) else {}
    taken = set(positional[: len(args)]) | set(named)
    rest = {n: p for n, p in parameters.items() if n not in taken and n in positional}
    keywords = mode_flags(rest, train)
    for name, parameter in rest.items():
        if name in KEY_NAMES and parameter.default is inspect.Parameter.empty:
            keywords[name] = jax.random.PRNGKey(0)
    return args, {**named, **keywords}


def has_mode(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(name in parameters for name in (*TRAIN_FLAGS, *EVAL_FLAGS, "mode"))


def construct(model: Any, arguments: Any, keywords: Mapping[str, Any]) -> Any:
    """Construct the candidate's model from what the reference's get_init_inputs() returned."""
    if isinstance(arguments, Mapping):
        return model(**arguments, **keywords)
    if not isinstance(arguments, list | tuple):
        return model(arguments, **keywords)
    named = len(arguments) == 2 and isinstance(arguments[0], list)
    if named and isinstance(arguments[1], Mapping):
        return model(*arguments[0], **arguments[1], **keywords)
    names = list(signature_of(model.__init__ if inspect.isclass(model) else model))
    places = [name for name in names if name != "self"][: len(arguments)]
    if set(keywords) & set(places):
        # The key comes first: the rest goes by name.
        rest = [name for name in names if name != "self" and name not in keywords]
        return model(**dict(zip(rest, arguments, strict=False)), **keywords)
    return model(*arguments, **keywords)


def leaves_of(output: Any) -> list[Any]:
    """Every leaf, in order; the values of a dict in the order of their keys."""
    if dataclasses.is_dataclass(output) and not isinstance(output, type | jax.Array):
        output = {f.name: getattr(output, f.name) for f in dataclasses.fields(output)}
    if isinstance(output, Mapping):
        return [leaf for key in sorted(output, key=str) for leaf in leaves_of(output[key])]
    if isinstance(output, list | tuple):
        return [leaf for each in output for leaf in leaves_of(each)]
    found: list[Any] = jax.tree_util.tree_leaves(output)
    return found


def floating(output: Any) -> list[Any]:
    """Outputs a loss can be made of; complex ones as pairs of real numbers."""
    found = []
    for leaf in leaves_of(output):
        if not isinstance(leaf, jax.Array) or not leaf.size:
            continue
        if jnp.iscomplexobj(leaf):
            found.append(jnp.stack([leaf.real, leaf.imag], axis=-1))
        elif jnp.issubdtype(leaf.dtype, jnp.floating):
            found.append(leaf)
    return found


def weighted(output: Any) -> Any:
    """sum(output * weights) / sqrt(size), summed over the floating outputs."""
    parts = [
        jnp.sum(_single(leaf) * _weights(leaf, i)) / leaf.size**0.5
        for i, leaf in enumerate(floating(output))
    ]
    return sum(parts[1:], parts[0])


def squared(output: Any) -> Any:
    """mean((output - weights) ** 2), summed over the floating outputs."""
    parts = [
        jnp.mean((_single(leaf) - _weights(leaf, i)) ** 2)
        for i, leaf in enumerate(floating(output))
    ]
    return sum(parts[1:], parts[0])


def loss_of(output: Any, square: Any) -> Any:
    """`squared` or `weighted` of an output, also where `square` is known to compiled code only."""
    leaves = floating(output)
    if isinstance(square, bool):
        return squared(leaves) if square else weighted(leaves)
    return jax.lax.cond(square, squared, weighted, leaves)


def _weights(leaf: Any, place: int) -> Any:
    return jnp.asarray(weights(tuple(leaf.shape), place), dtype=_single(leaf).dtype)


def _single(leaf: Any) -> Any:
    """Half precision as single: a loss in half precision would lose its gradients."""
    return leaf if leaf.dtype in (jnp.float32, jnp.float64) else leaf.astype(jnp.float32)
