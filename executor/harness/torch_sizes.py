"""How big a module's declared sizes are, and smaller ones that would fit, without allocating."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from . import constants as literals
from . import snippet, torch_cpu
from .torch_values import tensors

# One forward pass of at most this much; a verdict costs about twenty of them on each side.
MAX_ELEMENTS = 1_000_000
MAX_FLOPS = 1_000_000_000
# Names whose values are not sizes: changing them changes the operation.
KEPT = ("kernel", "stride", "pad", "dilat", "eps", "momentum", "axis", "pool", "head", "layers")
BATCH = ("batch", "bsz", "bs")


@dataclass(frozen=True, slots=True)
class Cost:
    """Elements produced and floating-point operations of one forward pass."""

    elements: int
    flops: int

    @property
    def fits(self) -> bool:
        return self.elements <= MAX_ELEMENTS and self.flops <= MAX_FLOPS


class _Elements(TorchDispatchMode):  # type: ignore[misc]
    """Counts the elements that operations produce."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):
            self.total += sum(each.numel() for each in tensors(result))
        return result


def measure(path: Path, overrides: Mapping[str, Any]) -> Cost:
    """Cost of one forward pass on the meta device. Raises whatever the snippet raises there."""
    with torch_cpu.sent_to("meta"), torch.device("meta"), torch.no_grad():
        module = snippet.load(path, "reference", overrides)
        inputs = module.get_inputs()
        declared = sum(each.numel() for each in tensors(inputs))
        if declared > 500 * MAX_ELEMENTS:
            return Cost(declared, 0)
        arguments = module.get_init_inputs() if hasattr(module, "get_init_inputs") else []
        model = build(module.Model, arguments)
        model.eval()
        counted, flops = _Elements(), FlopCounterMode(display=False)
        with flops, counted:
            call(model, inputs)
    parameters = sum(each.numel() for each in model.parameters())
    return Cost(declared + parameters + counted.total, flops.get_total_flops())


def build(model: Any, arguments: Any) -> Any:
    """Construct the reference's model from what get_init_inputs() returned."""
    if isinstance(arguments, Mapping):
        return model(**arguments)
    if isinstance(arguments, list | tuple):
        if len(arguments) == 2 and isinstance(arguments[0], list) and _keywords(arguments[1]):
            return model(*arguments[0], **arguments[1])
        return model(*arguments)
    return model(arguments)


def _keywords(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def call(model: Any, inputs: Any) -> Any:
    """Call the model with what get_inputs() returned."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, list | tuple):
        return model(*inputs)
    return model(inputs)


def propose(path: Path, overrides: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Overrides that make the snippet fit, beyond those given; and a note.

    Returns ({}, "") when it fits as it is, or when its size cannot be measured without data.
    """
    try:
        if measure(path, overrides).fits:
            return {}, ""
    except Exception:
        # The real run will say what is wrong, in the person's terms.
        return {}, ""
    tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    found = {name: value for name, value in literals.find(tree).items() if name not in overrides}
    for candidate in _plans(found, _used_by(tree, "get_inputs"), _used_by(tree, "get_init_inputs")):
        if not candidate or candidate == found:
            continue
        try:
            if measure(path, {**overrides, **candidate}).fits:
                return candidate, "The declared sizes do not fit this machine's limits."
        except Exception:  # noqa: S112 - a plan the snippet cannot run with is no plan
            continue
    return {}, "The declared sizes do not fit this machine's limits, and no smaller ones ran."


def _plans(
    found: Mapping[str, Any], inputs: set[str], arguments: set[str]
) -> Iterator[dict[str, Any]]:
    """Sets of overrides to try, from the gentlest on."""
    batch = {name for name in found if _is_batch(name) and _is_size(found[name])}
    free = {
        name
        for name in found
        if name in inputs and name not in arguments and name not in batch and _may_shrink(name)
    }
    every = {name for name in found if name not in batch and _may_shrink(name)}
    for few in (5, 4, 2):
        yield {name: min(found[name], few) for name in batch}
    for few in (5, 4, 2):
        small = {name: min(found[name], few) for name in batch}
        for names in (free, every):
            for limit in (128, 64, 48, 32, 24, 16, 12, 8):
                for spread in (True, False):
                    yield {**small, **_capped(found, names, limit, spread)}
        for power in (0.75, 0.6, 0.5, 0.4):
            yield {**small, **_compressed(found, every, power)}
    # A batch that must stay as large as something else.
    for limit in (64, 32, 16, 8):
        yield _capped(found, every | batch, limit, False)


def _capped(found: Mapping[str, Any], names: set[str], limit: int, spread: bool) -> dict[str, Any]:
    """Sizes above the limit brought to it; with `spread`, different names get different sizes."""
    result: dict[str, Any] = {}
    step = 0
    for name in sorted(names):
        value = found[name]
        if isinstance(value, tuple):
            result[name] = tuple(min(each, limit) for each in value) if _sizes(value) else value
        elif _is_size(value) and value > limit:
            result[name] = limit + (4 * step if spread else 0)
            step += 1
    return {name: value for name, value in result.items() if value != found[name]}


def _compressed(found: Mapping[str, Any], names: set[str], power: float) -> dict[str, Any]:
    """Every size above 8 brought to a power of itself, powers of two kept as such."""
    result: dict[str, Any] = {}
    for name in sorted(names):
        value = found[name]
        if isinstance(value, tuple) and _sizes(value):
            result[name] = tuple(_compress(each, power) for each in value)
        elif _is_size(value):
            result[name] = _compress(value, power)
    return {name: value for name, value in result.items() if value != found[name]}


def _compress(value: int, power: float) -> int:
    if value <= 8:
        return value
    if value & (value - 1) == 0:
        return max(4, 1 << round(math.log2(value) * power))
    return max(5, round(math.pow(value, power)))


def _is_batch(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in BATCH[:2]) or lowered == BATCH[2]


def _may_shrink(name: str) -> bool:
    return not any(word in name.lower() for word in KEPT)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _sizes(values: tuple[Any, ...]) -> bool:
    return bool(values) and all(
        isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in values
    )


def _used_by(tree: ast.Module, function: str) -> set[str]:
    """Names that a module-level function reads."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return set()
