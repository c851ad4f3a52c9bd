"""Parameters that a program makes by hand, from another distribution than PyTorch's layers do.

`scale * draw + shift` is found by looking at the arrays that are alive when the program first
differentiates: one of them is the draw, scaled. A second run then answers the draw so that the
parameter becomes the reference's. Zeros in place of PyTorch's drawn biases are handed over there.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .program_run import PROGRAM
from .random_match import Replayer

Array = np.ndarray[Any, Any]
MAX_ALIVE = 5_000
CLOSE = 1e-4


class State:
    """(number of the request, scale, shift) of every parameter that was found."""

    made: list[list[float]] = []
    looked: bool = False


def install(replayer: Replayer) -> None:
    """From here on, look for parameters at the first derivative, and hand over biases if asked."""
    for name in ("grad", "value_and_grad"):
        setattr(jax, name, watched(getattr(jax, name), replayer))
    if replayer.options.constants:
        jnp.zeros = filled(jnp.zeros, replayer)


def watched(differentiate: Callable[..., Any], replayer: Replayer) -> Callable[..., Any]:
    @wraps(differentiate)
    def build(*args: Any, **keywords: Any) -> Any:
        derivative = differentiate(*args, **keywords)

        @wraps(derivative)
        def call(*inputs: Any, **options: Any) -> Any:
            if not State.looked:
                State.looked = True
                # An array may have been donated or deleted: then nothing is found.
                with contextlib.suppress(Exception):
                    State.made = found(replayer)
            return derivative(*inputs, **options)

        return call

    return build


def found(replayer: Replayer) -> list[list[float]]:
    """[number of the request, scale, shift] of every draw that made a live array.

    Only of lines that asked for a draw without counterpart: other lines make what the reference
    makes, too.
    """
    lines = {each.line for each in replayer.noted if not each.answered}
    alive: dict[tuple[int, ...], list[Any]] = {}
    for each in jax.live_arrays()[:MAX_ALIVE]:
        if jnp.issubdtype(each.dtype, jnp.floating):
            alive.setdefault(tuple(each.shape), []).append(each)
    made = []
    for drawn in replayer.noted:
        if drawn.line not in lines:
            continue
        values = [np.asarray(each, np.float64) for each in alive.get(drawn.values.shape, ())]
        fits = [fit for each in values if (fit := affine(drawn.values.astype(np.float64), each))]
        # The draw itself may be alive, too: what was made of it comes first.
        fits.sort(key=lambda fit: fit == (1.0, 0.0))
        if fits:
            made.append([drawn.number, *fits[0]])
    return made


def affine(natural: Array, made: Array) -> tuple[float, float] | None:
    """(scale, shift) with `made = scale * natural + shift`, None when there are none."""
    if natural.size == 1:
        scale = float(made.reshape(-1)[0] / (natural.reshape(-1)[0] or 1.0))
        return (scale, 0.0) if scale else None
    spread = natural - natural.mean()
    scale = float(np.sum(spread * (made - made.mean())) / (np.sum(spread * spread) or 1.0))
    shift = float(made.mean() - scale * natural.mean())
    error = np.abs(scale * natural + shift - made).max()
    if not scale or error > CLOSE * abs(scale):
        return None
    if abs(scale - 1.0) < CLOSE:
        scale = 1.0
    return scale, shift if abs(shift) > CLOSE * abs(scale) else 0.0


def filled(zeros: Callable[..., Any], replayer: Replayer) -> Callable[..., Any]:
    @wraps(zeros)
    def make(shape: Any, *args: Any, **keywords: Any) -> Any:
        made = zeros(shape, *args, **keywords)
        by_program = sys._getframe(1).f_code.co_filename == PROGRAM
        if not by_program or isinstance(made, jax.core.Tracer):
            return made
        if not jnp.issubdtype(made.dtype, jnp.floating):
            return made
        bias = replayer.bias(made.shape)
        return made if bias is None else jnp.asarray(bias, made.dtype)

    return make
