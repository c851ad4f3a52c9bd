"""The scalar losses that are made of a reference's outputs."""

from __future__ import annotations

from typing import Any

import torch

from .probe_loss import weights
from .torch_values import tensors


def floating(output: Any) -> list[torch.Tensor]:
    """Outputs a loss can be made of; complex ones as pairs of real numbers."""
    found = [torch.view_as_real(t) if t.is_complex() else t for t in tensors(output)]
    return [t for t in found if t.is_floating_point() and t.numel()]


def weighted(output: Any) -> torch.Tensor | None:
    """sum(output * weights) / sqrt(size), summed over the floating outputs."""
    parts = [
        (_single(t) * _weights(t, i)).sum() / t.numel() ** 0.5
        for i, t in enumerate(floating(output))
    ]
    return torch.stack(parts).sum() if parts else None


def squared(output: Any) -> torch.Tensor | None:
    """mean((output - weights) ** 2), summed over the floating outputs."""
    parts = [((_single(t) - _weights(t, i)) ** 2).mean() for i, t in enumerate(floating(output))]
    return torch.stack(parts).sum() if parts else None


def _weights(tensor: torch.Tensor, leaf: int) -> torch.Tensor:
    return torch.from_numpy(weights(tuple(tensor.shape), leaf)).to(_single(tensor).dtype)


def _single(tensor: torch.Tensor) -> torch.Tensor:
    """Half precision as single: a loss in half precision would lose its gradients."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
