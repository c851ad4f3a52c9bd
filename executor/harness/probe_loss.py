"""The scalar losses both sides differentiate: fixed weights that need no sharing. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np


def weights(shape: tuple[int, ...], leaf: int) -> np.ndarray[Any, Any]:
    """Float64 array of `shape` in [-1, 1], the same on both sides, without symmetry.

    Used for the `leaf`-th floating output: as cotangent, loss = sum(output * weights) / sqrt(size),
    and as target of the short training, loss = mean((output - weights) ** 2).
    """
    count = int(np.prod(shape, dtype=np.int64))
    steps = np.arange(count, dtype=np.float64)
    wave = np.cos(0.7 * steps + 0.013 * steps * np.sqrt(steps + 1.0) + 1.3 * leaf + 0.5)
    return wave.reshape(shape)
