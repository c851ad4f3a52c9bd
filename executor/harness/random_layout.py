"""How a recorded draw becomes the shape that a candidate asks for: moved, never reshaped.

Needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .random_log import Draw
from .random_request import Options, Request

Array = np.ndarray[Any, Any]
Layout = Callable[[Array], Array]
# Families that are handed out whole or not at all.
WHOLE = ("permutation", "categorical", "dirichlet", "orthogonal")


@dataclass(slots=True)
class Entry:
    """A recorded draw and how many of its rows were handed out."""

    draw: Draw
    number: int
    taken: int = 0
    used: bool = False


def keep(values: Array) -> Array:
    return values


def is_square_weight(draw: Draw) -> bool:
    return draw.weight and len(draw.shape) == 2 and draw.shape[0] == draw.shape[1] > 1


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def fit(draw: Draw, request: Request, options: Options) -> Layout | None:
    """How a draw becomes the shape asked for: moved, never reshaped; None when it cannot."""
    have, want = draw.shape, request.shape
    if request.family == "beta":
        have = have[:-1]
    if draw.family == "permutation":
        if len(want) == 1 and want[0] <= have[0]:
            return lambda values: values[: want[0]]
        return None
    if draw.weight and not request.keeps_layout:
        layout = fit_weight(have, want, options)
        if layout is not None:
            return layout
    if have == want:
        return keep
    if squeezed(have) == squeezed(want):
        return lambda values: values.reshape(want)
    return moved(have, want)


def fit_weight(have: tuple[int, ...], want: tuple[int, ...], options: Options) -> Layout | None:
    """Layouts of weights: kernels are (in, out) and (*window, in, out)."""
    if len(have) == len(want) == 2 and have == want[::-1]:
        square = have == want
        return keep if square and not options.transpose_squares else np.transpose
    if len(have) == len(want) >= 3 and have != want:
        kernel = (*range(2, len(have)), 1, 0)
        plain = (*range(2, len(have)), 0, 1)
        for order in (kernel, plain):
            if tuple(have[axis] for axis in order) == want:
                return partial(np.transpose, axes=order)
    return None


def moved(have: tuple[int, ...], want: tuple[int, ...]) -> Layout | None:
    """Transposed matrices, channels last, and time before batch."""
    if len(have) != len(want) or sorted(have) != sorted(want):
        return None
    rank = len(have)
    orders = [tuple(reversed(range(rank)))] if rank == 2 else []
    if rank >= 3:
        orders += [(0, *range(2, rank), 1), (*range(1, rank), 0), (1, 0, *range(2, rank))]
    for order in orders:
        if tuple(have[axis] for axis in order) == want:
            return partial(np.transpose, axes=order)
    return None


def piece_of(entry: Entry, request: Request) -> tuple[int, Layout] | None:
    """(rows, layout) when the request is the next rows of a recorded block."""
    have, want = squeezed(entry.draw.shape), squeezed(request.shape)
    if entry.draw.family in WHOLE or not have:
        return None
    left, shape = have[0] - entry.taken, request.shape
    if want == have[1:] and left >= 1:
        return 1, lambda values: values.reshape(shape)
    if len(want) == len(have) and want[1:] == have[1:] and want[0] <= min(left, have[0] - 1):
        return want[0], lambda values: values.reshape(shape)
    gates = entry.draw.weight and len(want) == len(have) == 2
    if gates and want[0] == have[1] and want[1] <= min(left, have[0] - 1):
        return want[1], lambda values: values.T.reshape(shape)
    return None
