"""Draws that are answered from the reference's, as a primitive of JAX.

Inside `jit`, `grad`, `scan` and `vmap` a draw is a primitive of our own with an ordered effect, so
that two draws of one family and shape keep their order when the compiled program runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import callback as callbacks
from jax._src import core, effects
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from .program_run import PROGRAM
from .random_match import Replayer
from .random_request import Request

MAX_FRAMES = 80
SCALING = ("variance_scaling", "VarianceScaling")

effects.remat_allowed_effects.add_type(callbacks.OrderedIOEffect)
effects.custom_derivatives_allowed_effects.add_type(callbacks.OrderedIOEffect)

draw_p = Primitive("shared_draw")


class State:
    """The one replayer of this process, and whether draws are to be left natural."""

    replayer: Replayer | None = None
    natural: int = 0
    initialising: int = 0
    trouble: list[str] = []


@contextmanager
def left_natural() -> Iterator[None]:
    """Draws inside are the candidate's own (what a module draws while it initialises)."""
    State.natural += 1
    try:
        yield
    finally:
        State.natural -= 1


@contextmanager
def shared_again() -> Iterator[None]:
    """Draws inside are shared although an initialisation surrounds them."""
    before, State.natural = State.natural, 0
    State.initialising += 1
    try:
        yield
    finally:
        State.natural = before
        State.initialising -= 1


def answer(
    key: Any, natural: Any, probability: Any, *, low: float, high: float, **spec: Any
) -> Any:
    """What a draw gives at run time. Leading axes of `key` beyond its own are `vmap`'s."""
    keys, values, chances = np.asarray(key), np.asarray(natural), np.asarray(probability)
    batch = keys.shape[:-1]
    shape = values.shape[len(batch) :]
    try:
        requests = [
            Request(
                shape=shape,
                natural=values[index],
                key=keys[index].tobytes(),
                low=low,
                high=high,
                probability=chances[index] if chances.size else None,
                **spec,
            )
            for index in np.ndindex(*batch)
        ]
        assert State.replayer is not None
        if batch:
            answered = State.replayer.answer_block(requests).reshape(values.shape)
        else:
            answered = State.replayer.answer(requests[0])
        if spec["family"] == "uniform":
            answered = answered.astype(np.float64) * (high - low) + low
        return np.asarray(answered).astype(values.dtype).reshape(values.shape)
    except Exception as error:
        State.trouble.append(f"{type(error).__name__}: {error}"[:300])
        return values


def _impl(key: Any, natural: Any, probability: Any, **params: Any) -> Any:
    return jnp.asarray(answer(key, natural, probability, **params))


def _abstract(key: Any, natural: Any, probability: Any, **params: Any) -> Any:
    return core.ShapedArray(natural.shape, natural.dtype), {callbacks._OrderedIOEffect}


draw_p.def_impl(_impl)
draw_p.def_effectful_abstract_eval(_abstract)


def _lower(key: Any, natural: Any, probability: Any, **params: Any) -> Any:
    shape = jax.ShapeDtypeStruct(natural.shape, natural.dtype)
    served = partial(answer, **params)
    return callbacks.io_callback(served, shape, key, natural, probability, ordered=True)


mlir.register_lowering(draw_p, mlir.lower_fun(_lower, multiple_results=False))


def _batch(args: Any, dims: Any, **params: Any) -> Any:
    size = next(arg.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)
    moved = [
        jnp.broadcast_to(arg, (size, *arg.shape)) if dim is None else jnp.moveaxis(arg, dim, 0)
        for arg, dim in zip(args, dims, strict=True)
    ]
    return draw_p.bind(*moved, **params), 0


batching.primitive_batchers[draw_p] = _batch


def draw(
    family: str,
    key: Any,
    natural: Any,
    probability: Any = None,
    *,
    low: float = 0.0,
    high: float = 1.0,
    replace: bool = True,
) -> Any:
    """One shared draw in the family's own scale, shaped and typed like `natural`."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    chance = jnp.zeros(0) if probability is None else jax.lax.stop_gradient(probability)
    place = caller()
    return draw_p.bind(
        jnp.asarray(key),
        jax.lax.stop_gradient(natural),
        jnp.asarray(chance, jnp.float32),
        family=family,
        low=float(low),
        high=float(high),
        replace=replace,
        line=place[0],
        initialiser=place[1],
        keeps_layout=place[2],
        corrected=family == "truncated_normal" and place[3],
    )


def caller() -> tuple[int, bool, bool, bool]:
    """(line of the program, asked by an initialiser, by Equinox, by a variance scaling)."""
    initialiser, keeps, corrected = State.initialising > 0, False, False
    frame: Any = sys._getframe(2)
    for _ in range(MAX_FRAMES):
        if frame is None:
            break
        name = frame.f_code.co_filename
        if name == PROGRAM:
            return frame.f_lineno, initialiser, keeps, corrected
        initialiser = initialiser or name.endswith(("initializers.py", "initializer.py"))
        keeps = keeps or "/equinox/" in name
        corrected = corrected or frame.f_code.co_qualname.startswith(SCALING)
        frame = frame.f_back
    return 0, initialiser, keeps, corrected
