"""Weights beside a flattened image, in the order of channels last.

PyTorch flattens (C, H, W), a channels-last program (H, W, C): the same layer then meets its inputs
in another order, and its weights have to be carried over in that order. Needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def channels_last(
    modules: Sequence[Mapping[str, Any]], parameters: Mapping[str, Array]
) -> dict[str, Array]:
    """The parameters with the weights of layers around a flattening reordered.

    A linear layer after a convolution flattens its output; one right before a transposed
    convolution makes what is unflattened.
    """
    found = dict(parameters)
    channels = 0
    for place, module in enumerate(modules):
        kinds, config = module["types"], module["config"]
        if is_convolution(kinds):
            channels = int(config.get("out_channels", 0))
        elif "Linear" in kinds:
            weight, bias = (joined(module["path"], name) for name in ("weight", "bias"))
            if flattened(int(config.get("in_features", 0)), channels):
                found[weight] = reordered(found[weight].T, channels).T
            following = unflattened_by(modules[place + 1 :])
            if flattened(int(config.get("out_features", 0)), following):
                for name in (weight, bias):
                    if name in found:
                        found[name] = reordered(found[name], following)
            channels = 0
    return found


def is_convolution(kinds: Sequence[str]) -> bool:
    return any(kind.startswith("Conv") for kind in kinds)


def unflattened_by(modules: Sequence[Mapping[str, Any]]) -> int:
    """Input channels of the convolution that comes next, 0 when another layer does."""
    for module in modules:
        if is_convolution(module["types"]):
            return int(module["config"].get("in_channels", 0))
        if "Linear" in module["types"]:
            return 0
    return 0


def flattened(features: int, channels: int) -> bool:
    return channels > 1 and features > channels and features % channels == 0


def reordered(rows: Array, channels: int) -> Array:
    """Rows from (C, S) order to (S, C) order."""
    shape = (channels, rows.shape[0] // channels, *rows.shape[1:])
    return np.ascontiguousarray(np.swapaxes(rows.reshape(shape), 0, 1)).reshape(rows.shape)


def joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
