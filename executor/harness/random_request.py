"""A candidate's request for random numbers, and how requests are matched where draws do not say.

Needs NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Request:
    """What the candidate asks for. `natural` is what its own generator would give.

    low, high      bounds of integers
    probability    of 1 for bernoulli, or the classes' probabilities for categorical (last axis)
    replace        whether a choice puts back what it took
    initialiser    asked by an initialiser that the program names for a parameter
    keeps_layout   asked by a library that keeps PyTorch's layout of weights
    corrected      a truncated normal scaled to the deviation of an untruncated one
    """

    family: str
    shape: tuple[int, ...]
    natural: Array
    key: bytes = b""
    low: float = 0.0
    high: float = 1.0
    probability: Array | None = None
    replace: bool = True
    line: int = 0
    initialiser: bool = False
    keeps_layout: bool = False
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """How to match where the draws alone do not say.

    skip_defaults      weights that layers initialise themselves are carried over, not drawn
    transpose_squares  square weights are used as `x @ w`, PyTorch's as `x @ w.T`
    flip_masks         uniform numbers make a mask by `u > rate`, and a fair mask drops its ones
    by_hand            (number of the request, scale, shift): parameters that the program makes by
                       hand as `scale * draw + shift`, of another family than PyTorch's layers
    constants          biases that the program makes by hand as zeros get PyTorch's drawn ones
    """

    skip_defaults: bool = False
    transpose_squares: bool = True
    flip_masks: bool = False
    by_hand: tuple[tuple[int, float, float], ...] = ()
    constants: bool = False
