"""The sets of inputs a reference module is run on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from . import report
from .codec import read_npy, read_npz
from .seeds import set_seeds
from .torch_values import map_tensors

FEW_VALUES = 3
SMALL = 0.03


def make_inputs(module: Any, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Case name -> what the model is called with."""
    if settings.get("inputs"):
        return {"declared": attached(settings["inputs"], module)}
    wanted = settings["cases"]
    made: dict[str, Any] = {}
    set_seeds(seed)
    declared = module.get_inputs()
    set_seeds(seed + 101)
    fresh = module.get_inputs()
    signed = signed_like(fresh, seed)
    made["declared"], made["fresh"], made["signed"] = declared, fresh, signed
    made["small"] = map_tensors(signed, lambda t: t * SMALL if spread_out(t) else t)
    return {
        case: [value] if isinstance(value, torch.Tensor) else value
        for case, value in made.items()
        if case in wanted or case == "declared"
    }


def attached(name: str, module: Any) -> Any:
    """Inputs from an attached .npz: by the forward's argument names, else in file order."""
    data = (report.IN / name).read_bytes()
    arrays = {"0": read_npy(data)} if name.endswith(".npy") else read_npz(data)
    values = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    names = list(inspect.signature(module.Model.forward).parameters)[1:]
    if set(values) <= set(names):
        return [values[each] for each in names if each in values]
    return list(values.values())


def spread_out(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds continuous values rather than labels, masks or signs."""
    if not tensor.is_floating_point():
        return False
    return tensor.numel() <= 1 or len(torch.unique(tensor.reshape(-1)[:1000])) > FEW_VALUES


def signed_like(inputs: Any, seed: int) -> Any:
    """The same shapes, normal values around 0; labels, masks and signs stay."""
    generator = torch.Generator().manual_seed(seed + 202)

    def change(tensor: torch.Tensor) -> torch.Tensor:
        if not spread_out(tensor):
            return tensor
        return torch.randn(tensor.shape, generator=generator).to(tensor.dtype)

    return map_tensors(inputs, change)


def widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def copied_inputs(inputs: Any, gradients: bool = False) -> Any:
    """Fresh tensors, so that a model that works in place changes nothing of ours."""

    def change(tensor: torch.Tensor) -> torch.Tensor:
        fresh = tensor.detach().clone()
        return fresh.requires_grad_() if gradients and fresh.is_floating_point() else fresh

    return map_tensors(inputs, change)
