"""Random numbers of the stand-ins' own transforms.

Where PyTorch is, it draws them, as torchvision does, and they are recorded. Where it is not, the
recorded draw answers, if there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import State

try:
    import torch
except ImportError:
    torch = None


def uniform(low: float = 0.0, high: float = 1.0) -> float:
    """One uniform number."""
    if torch is not None:
        return float(torch.empty(1).uniform_(low, high).item())
    return low + (high - low) * float(shared("uniform", np.random.random(1))[0])


def below(probability: float) -> bool:
    """Whether something of this probability happens."""
    if torch is not None:
        return bool(torch.rand(1).item() < probability)
    return bool(shared("uniform", np.random.random(1))[0] < probability)


def integer(low: int, high: int) -> int:
    """A whole number from `low` up to, not including, `high`."""
    if torch is not None:
        return int(torch.randint(low, high, size=(1,)).item())
    return int(shared("integers", np.random.randint(low, high, 1), low, high)[0])


def order(count: int) -> list[int]:
    """A permutation of range(count)."""
    if torch is not None:
        return [int(each) for each in torch.randperm(count)]
    given = shared("permutation", np.random.permutation(count), 0, count)
    return [int(each) for each in given]


def shared(family: str, values: Any, low: float = 0.0, high: float = 1.0) -> Any:
    return values if State.handle is None else State.handle(family, values, low, high)
