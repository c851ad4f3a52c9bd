"""Carrying parameters into Flax linen modules, when their tree is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import wraps
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict, freeze, meta, unfreeze

from .adapter_linen import Linen, flatten
from .adapter_linen import noted as noting
from .random_carry import Carrier, Named
from .random_replay import left_natural


class Noted(Linen):
    """Names the layers of one initialisation, for the bridge."""

    def __init__(self) -> None:
        self.layers = {}
        self.shapes = {}


def install(carrier: Carrier) -> None:
    """From here on, the outermost `init` of a linen module gives carried parameters."""
    initialise, parameter = nn.Module.init_with_output, nn.Module.param
    open_names: list[Named] = []

    @wraps(initialise)
    def init_with_output(self: Any, rngs: Any, *args: Any, **keywords: Any) -> Any:
        if open_names:
            return initialise(self, rngs, *args, **keywords)
        noted = Noted()
        open_names.append(Named())
        try:
            with left_natural(), noting(noted.layers):
                output, variables = initialise(self, rngs, *args, **keywords)
        finally:
            named = open_names.pop()
        noted.shapes = flatten(variables)
        values = carrier.carried(type(self).__name__, identity(self, rngs), noted.leaves(), named)
        return output, filled(variables, values)

    @wraps(parameter)
    def param(self: Any, name: str, init_fn: Any, *args: Any, **keywords: Any) -> Any:
        def create() -> Any:
            return parameter(self, name, init_fn, *args, **keywords)

        if not open_names:
            # `apply` traces initialisers again, only to check shapes.
            with left_natural():
                return create()
        if is_default(self, name, init_fn):
            return create()
        return open_names[-1].make("/".join(("params", *self.path, name)), create)

    nn.Module.init_with_output = init_with_output
    nn.Module.param = param


def is_default(module: Any, name: str, init_fn: Any) -> bool:
    """Whether a library layer uses the initialiser that it has when nobody names one.

    Cells and attention hand their own defaults on to the layers inside them.
    """
    used = getattr(module, f"{name}_init", init_fn)
    while module is not None and type(module).__module__.startswith("flax."):
        if any(field.default is used for field in dataclasses.fields(module)):
            return True
        module = module.parent
    return False


def identity(module: Any, rngs: Any) -> Any:
    """What makes two initialisations the same: the module and its key, where it is known."""
    key = rngs.get("params") if isinstance(rngs, Mapping) else rngs
    try:
        return repr(module), np.asarray(jax.random.key_data(key)).tobytes()
    except Exception:
        return repr(module), b""


def filled(variables: Any, values: Mapping[str, Any]) -> Any:
    """The tree with some leaves replaced; boxes and frozenness stay."""
    tree = unfreeze(variables)
    for path, value in values.items():
        place = tree
        *parents, last = path.split("/")
        for part in parents:
            place = place[part]
        old = place[last]
        new = jnp.asarray(value, dtype=meta.unbox(old).dtype)
        place[last] = old.replace_boxed(new) if isinstance(old, meta.AxisMetadata) else new
    return freeze(tree) if isinstance(variables, FrozenDict) else tree
