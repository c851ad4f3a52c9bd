"""Wrong versions of a reference module, which a contract must tell from the right one."""

from __future__ import annotations

import copy

import torch
from torch import nn

MAX_IMPOSTORS = 6


def changed_models(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Wrong versions of a model: one transposed square weight each, every bias dropped."""
    made: list[tuple[str, nn.Module]] = []
    for name, parameter in model.named_parameters():
        square = parameter.ndim == 2 and parameter.shape[0] == parameter.shape[1]
        if square and parameter.shape[0] > 1 and len(made) < MAX_IMPOSTORS:
            wrong = copy.deepcopy(model)
            with torch.no_grad():
                dict(wrong.named_parameters())[name].copy_(parameter.T.clone())
            made.append((f"transposed {name}", wrong))
    biases = [n for n, p in model.named_parameters() if n.endswith("bias") and p.ndim <= 1]
    if biases:
        wrong = copy.deepcopy(model)
        with torch.no_grad():
            for name in biases:
                dict(wrong.named_parameters())[name].zero_()
        made.append(("dropped bias", wrong))
    return made
