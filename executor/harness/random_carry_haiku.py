"""Carrying parameters into Haiku's trees, when `init` makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from .adapter_haiku import SEPARATOR, Haiku, _triples
from .adapter_haiku import noted as noting
from .random_carry import Carrier, Named
from .random_replay import left_natural


class Noted(Haiku):
    """Names the layers of one initialisation, for the bridge."""

    def __init__(self) -> None:
        self.layers = {}
        self.shapes = {}


def install(carrier: Carrier) -> None:
    """From here on, `init` of a transformed function gives carried parameters."""
    for name in ("transform", "transform_with_state"):
        original = getattr(hk, name)
        setattr(hk, name, watching(original, carrier))


def watching(transform: Callable[..., Any], carrier: Carrier) -> Callable[..., Any]:
    @wraps(transform)
    def transformed(f: Any, *args: Any, **keywords: Any) -> Any:
        open_names: list[Named] = []

        @wraps(f)
        def watched(*inputs: Any, **options: Any) -> Any:
            if not open_names:
                return f(*inputs, **options)
            with hk.custom_creator(creator(open_names[-1]), state=False):
                return f(*inputs, **options)

        made = transform(watched, *args, **keywords)
        stateful = isinstance(made, hk.TransformedWithState)

        @wraps(made.init)
        def init(rng: Any, *inputs: Any, **options: Any) -> Any:
            noted = Noted()
            open_names.append(Named())
            try:
                with left_natural(), noting(noted.layers):
                    tree = made.init(rng, *inputs, **options)
            finally:
                named = open_names.pop()
            parameters, state = tree if stateful else (tree, {})
            noted.shapes = shapes(parameters, state)
            name = getattr(f, "__name__", "function")
            values = carrier.carried(name, identity(f, rng), noted.leaves(), named)
            filled = replaced(parameters, values)
            return (filled, state) if stateful else filled

        return made._replace(init=init)

    return transformed


def creator(named: Named) -> Callable[..., Any]:
    """Shares the draws of parameters whose initialiser the program names."""

    def create(following: Any, shape: Any, dtype: Any, init: Any, context: Any) -> Any:
        module = context.module
        library = module is not None and type(module).__module__.startswith("haiku.")
        if library and getattr(module, f"{context.name}_init", None) is None:
            return following(shape, dtype, init)
        owner = "~" if module is None else module.module_name
        path = SEPARATOR.join(("params", owner, context.name))
        return named.make(path, lambda: following(shape, dtype, init))

    return create


def shapes(parameters: Any, state: Any) -> dict[str, Any]:
    """Leaf path -> array, as the bridge's adapter names them."""
    found = {f"params{SEPARATOR}{m}{SEPARATOR}{n}": v for m, n, v in _triples(parameters)}
    found.update({f"state{SEPARATOR}{m}{SEPARATOR}{n}": v for m, n, v in _triples(state)})
    return found


def replaced(parameters: Any, values: Mapping[str, Any]) -> Any:
    def value(module: str, leaf: str, own: Any) -> Any:
        carried = values.get(f"params{SEPARATOR}{module}{SEPARATOR}{leaf}")
        return own if carried is None else jnp.asarray(carried, dtype=own.dtype)

    return hk.data_structures.map(value, parameters)


def identity(f: Any, rng: Any) -> Any:
    try:
        return id(f), np.asarray(jax.random.key_data(rng)).tobytes()
    except Exception:
        return id(f), b""
