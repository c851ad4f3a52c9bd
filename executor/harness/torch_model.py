"""A reference model made fit for checking: random asymmetric parameters, dropout off, described."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize

CONFIGURATION = (
    "in_features",
    "out_features",
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "output_padding",
    "dilation",
    "groups",
    "transposed",
    "num_features",
    "eps",
    "momentum",
    "normalized_shape",
    "num_groups",
    "num_channels",
    "num_embeddings",
    "embedding_dim",
    "padding_idx",
    "input_size",
    "hidden_size",
    "num_layers",
    "bidirectional",
    "batch_first",
    "embed_dim",
    "num_heads",
    "bias",
)


def randomise(model: nn.Module, seed: int) -> None:
    """Give every constant or symmetric parameter random values, in place.

    Constant values hide transposes and dropped terms: ones and zeros of norms, zero biases, scalar
    scales. Values that are random already stay. Running statistics get random means and positive
    variances, some small, so that a wrong epsilon shows.
    """
    generator = torch.Generator().manual_seed(seed + 7919)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point() and parameter.numel():
                parameter.copy_(_random_like(parameter, generator))
        for module in model.modules():
            if isinstance(module, _NormBase) and module.running_mean is not None:
                _random_statistics(module, generator)


def _random_like(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    constant = bool((value == value.reshape(-1)[0]).all())
    normal = torch.randn(value.shape, generator=generator).to(value.dtype)
    if not constant:
        return value + 0.1 * value.std() * normal if _is_symmetric(value) else value
    level = float(value.reshape(-1)[0])
    if level == 0.0:
        return 0.2 * normal
    spread = 0.6 + 0.8 * torch.rand(value.shape, generator=generator).to(value.dtype)
    return (level if abs(level) >= 1e-3 else 0.1) * spread


def _is_symmetric(value: torch.Tensor) -> bool:
    return (
        value.ndim >= 2
        and value.shape[0] == value.shape[1]
        and bool((value == value.transpose(0, 1)).all())
    )


def _random_statistics(module: Any, generator: torch.Generator) -> None:
    shape, kind = module.running_mean.shape, module.running_mean.dtype
    module.running_mean.copy_(0.3 * torch.randn(shape, generator=generator).to(kind))
    # From 0.02 to 2, evenly on a logarithmic scale.
    exponent = torch.rand(shape, generator=generator).to(kind) * 4.6 - 3.9
    module.running_var.copy_(torch.exp(exponent))


def settle(model: nn.Module) -> None:
    """Make every plain attribute a leaf, so that the model can be copied, in place.

    Hooks of weight_norm and spectral_norm compute theirs anew at each call.
    """
    for module in model.modules():
        computed = {
            getattr(hook, "name", "")
            for hook in module._forward_pre_hooks.values()
            if type(hook).__name__ in ("WeightNorm", "SpectralNorm")
        }
        for name, value in list(vars(module).items()):
            if not isinstance(value, torch.Tensor) or isinstance(value, nn.Parameter):
                continue
            if name in computed:
                delattr(module, name)
            elif not value.is_leaf:
                setattr(module, name, value.detach().clone().requires_grad_(value.requires_grad))


def describe(model: nn.Module) -> list[dict[str, Any]]:
    """Every module that owns parameters or buffers: path, types, configuration, names."""
    described = []
    for path, module in model.named_modules():
        if ".parametrizations." in f".{path}.":
            continue
        parameters = [name for name, _ in module.named_parameters(recurse=False)]
        buffers = [name for name, _ in module.named_buffers(recurse=False)]
        if parametrize.is_parametrized(module):
            inner = module.parametrizations
            parameters += [f"parametrizations.{name}" for name, _ in inner.named_parameters()]
            buffers += [f"parametrizations.{name}" for name, _ in inner.named_buffers()]
        if parameters or buffers:
            described.append(
                {
                    "path": path,
                    "types": [each.__name__ for each in type(module).__mro__[:-2]],
                    "config": _configuration(module),
                    "parameters": parameters,
                    "buffers": buffers,
                }
            )
    return described


def _configuration(module: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CONFIGURATION:
        value = getattr(module, name, None)
        if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
            found[name] = list(value)
        elif isinstance(value, bool | int | float):
            found[name] = value
        elif isinstance(value, torch.Tensor):
            found[name] = True
    return found


def loose_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Tensors kept as plain attributes, which state_dict() does not know."""
    found = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                found[f"{path}.{name}" if path else name] = value
    return found


def aliases(model: nn.Module) -> dict[str, str]:
    """Names of tied parameters -> the name under which the parameter is carried."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner = first.setdefault(id(parameter), name)
        if owner != name:
            found[name] = owner
    return found


@contextlib.contextmanager
def calls(model: nn.Module, order: list[str]) -> Iterator[None]:
    """Note the paths of modules with parameters in the order of their first call."""
    handles = []
    for path, module in model.named_modules():
        if any(True for _ in module.parameters(recurse=False)):

            def note(_module: nn.Module, _inputs: Any, path: str = path) -> None:
                if path not in order:
                    order.append(path)

            handles.append(module.register_forward_pre_hook(note))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def counts(model: nn.Module, found: dict[str, int]) -> Iterator[None]:
    """Note how many values per channel each batch norm averages over."""
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, _NormBase) and module.running_mean is not None:

            def note(module: Any, inputs: Any, path: str = path) -> None:
                found[path] = inputs[0].numel() // max(module.num_features, 1)

            handles.append(module.register_forward_pre_hook(note))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def dropout_off(model: nn.Module) -> Iterator[None]:
    """Dropout does nothing, whatever the mode."""
    functions = ("dropout", "dropout1d", "dropout2d", "dropout3d")
    names = [*functions, "alpha_dropout", "feature_alpha_dropout"]
    kept = {name: getattr(nn.functional, name) for name in names}
    attention = nn.functional.scaled_dot_product_attention

    def identity(input: Any, *_arguments: Any, **_keywords: Any) -> Any:
        return input

    def attend(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        **keywords: Any,
    ) -> Any:
        return attention(query, key, value, attn_mask, 0.0, **keywords)

    rates = [
        (module, module.dropout)
        for module in model.modules()
        if isinstance(getattr(module, "dropout", None), float)
    ]
    for name in names:
        setattr(nn.functional, name, identity)
    nn.functional.scaled_dot_product_attention = attend
    for module, _ in rates:
        module.dropout = 0.0
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(nn.functional, name, function)
        nn.functional.scaled_dot_product_attention = attention
        for module, rate in rates:
            module.dropout = rate
