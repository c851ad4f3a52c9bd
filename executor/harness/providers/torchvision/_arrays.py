"""Images as tensors where PyTorch is, as NumPy arrays where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import torch
except ImportError:
    torch = None

__all__ = ["flip", "is_tensor", "tensor", "torch"]


class Plain(np.ndarray):
    """A NumPy array with the few methods of tensors that data pipelines call."""

    def numpy(self) -> Any:
        return np.asarray(self)

    def float(self) -> Any:
        return self.astype(np.float32)

    def long(self) -> Any:
        return self.astype(np.int64)

    def unsqueeze(self, axis: int) -> Any:
        return np.expand_dims(self, axis).view(Plain)

    def size(self, axis: int | None = None) -> Any:  # type: ignore[override]
        return self.shape if axis is None else self.shape[axis]


def tensor(array: Any) -> Any:
    """An array as this side's kind of tensor."""
    contiguous = np.ascontiguousarray(array)
    return contiguous.view(Plain) if torch is None else torch.from_numpy(contiguous)


def is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray) if torch is None else isinstance(value, torch.Tensor)


def flip(image: Any, axis: int) -> Any:
    return np.flip(image, axis).view(Plain) if torch is None else torch.flip(image, [axis])
