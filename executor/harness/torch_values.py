"""PyTorch values as plain trees of NumPy arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

VIEWED = {
    torch.bfloat16: (torch.int16, "bfloat16"),
    torch.float8_e4m3fn: (torch.int8, "float8_e4m3fn"),
    torch.float8_e5m2: (torch.int8, "float8_e5m2"),
}


def to_numpy(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A copy of the tensor, dtype kept (bfloat16 and float8 through ml_dtypes)."""
    plain = tensor.detach()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.is_quantized:
        plain = plain.dequantize()
    plain = plain.cpu().resolve_conj().resolve_neg().contiguous()
    if plain.dtype in VIEWED:
        import ml_dtypes

        storage, name = VIEWED[plain.dtype]
        viewed = plain.view(storage).numpy().copy()
        result: np.ndarray[Any, Any] = viewed.view(np.dtype(getattr(ml_dtypes, name)))
        return result
    array: np.ndarray[Any, Any] = plain.numpy().copy()
    return array


def map_tensors(value: Any, change: Callable[[torch.Tensor], Any], ordered: bool = False) -> Any:
    """The same tree with every tensor replaced; named tuples and dataclasses become dicts."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        names = sorted(value, key=str) if ordered else list(value)
        return {str(name): map_tensors(value[name], change, ordered) for name in names}
    if isinstance(value, tuple | list):
        items = [map_tensors(each, change, ordered) for each in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def plain(value: Any) -> Any:
    """The tree with tensors as NumPy arrays, ready for the codec."""
    return map_tensors(value, to_numpy)


def tensors(value: Any) -> list[torch.Tensor]:
    """Every tensor of the tree, in order; the values of a dict in the order of their keys."""
    found: list[torch.Tensor] = []
    map_tensors(value, found.append, ordered=True)
    return found


def finite(output: Any) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors(output) if t.is_floating_point())


def same(left: Any, right: Any) -> bool:
    """Whether two plain trees hold the same values, up to rounding."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        if left.dtype.kind not in "fc":
            return bool(np.array_equal(left, right))
        return bool(np.allclose(left, right, rtol=1e-6, atol=1e-7, equal_nan=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)
