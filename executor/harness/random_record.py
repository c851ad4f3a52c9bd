"""Records every random draw of a PyTorch program, below autograd."""

from __future__ import annotations

import functools
import linecache
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .program_run import PROGRAM
from .random_log import Draw, Log

Array = np.ndarray[Any, Any]

VIEWS_TEXT = (
    "detach alias view t transpose permute slice select expand unsqueeze squeeze as_strided "
    "_unsafe_view reshape size stride numel is_pinned"
)
VIEWS = frozenset(VIEWS_TEXT.split())
OVERWRITES_TEXT = (
    "uniform_ normal_ zero_ fill_ copy_ bernoulli_ exponential_ random_ log_normal_ cauchy_"
)
OVERWRITES = frozenset(OVERWRITES_TEXT.split())
INITIALISERS = ("reset_parameters", "_reset_parameters", "_init_weights")
MAX_FRAMES = 60


class Recorder(TorchDispatchMode):  # type: ignore[misc]
    """Dispatch mode that logs draws. `log.draws` holds them in order."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log
        self.nudge = 0.0
        self._filled: dict[int, tuple[Draw, torch.Tensor]] = {}
        self._drawn: dict[int, Draw] = {}
        self._explicit: set[int] = set()
        self._frozen: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        name = func.overloadpacket.__name__
        reader = READERS.get(name)
        if self._filled:
            self._follow(name, args)
        if name in OVERWRITES and args and is_parameter(args[0]):
            self._written(args[0])
        if reader is None:
            return self._nudged(name, func(*args, **given))
        before = probabilities(name, args, given)
        result = func(*args, **given)
        draw = reader(result, Call(name, func._schema, args, given), before)
        if draw is not None:
            self._keep(draw, result, args, in_place=name.endswith("_"))
        return result

    def _keep(self, draw: Draw, result: Any, args: tuple[Any, ...], in_place: bool) -> None:
        place(draw)
        target = args[0] if in_place and args else None
        if target is not None and is_parameter(target):
            draw.weight = True
            self._filled[storage_of(target)] = (draw, target)
            self._drawn[storage_of(target)] = draw
        self.log.add(draw)

    def draw_of(self, tensor: torch.Tensor) -> Draw | None:
        """The last draw that filled a parameter."""
        return self._drawn.get(storage_of(tensor))

    def freeze(self, tensor: torch.Tensor) -> None:
        """The parameter is in use: what is written to it now is training."""
        self._frozen.add(storage_of(tensor))

    def is_explicit(self, tensor: torch.Tensor) -> bool:
        """Whether the program itself, not a layer, gave the parameter its initial value."""
        return storage_of(tensor) in self._explicit

    def _written(self, tensor: torch.Tensor) -> None:
        storage = storage_of(tensor)
        if storage in self._frozen:
            return
        if by_a_layer():
            self._explicit.discard(storage)
        else:
            self._explicit.add(storage)

    def _follow(self, name: str, args: tuple[Any, ...]) -> None:
        """Mark a parameter's draw dead when it is overwritten whole before anything read it."""
        for position, tensor in enumerate(tensors(args)):
            entry = self._filled.get(storage_of(tensor))
            if entry is None or name in VIEWS:
                continue
            draw, filled = entry
            if position == 0 and name in OVERWRITES:
                if tensor.numel() == filled.numel():
                    draw.dead = True
                    del self._filled[storage_of(filled)]
            elif name in MATRIX_PRODUCTS:
                del self._filled[storage_of(filled)]

    def _nudged(self, name: str, result: Any) -> Any:
        """The result of a matrix product, moved by a rounding error when asked for."""
        if not self.nudge or name not in MATRIX_PRODUCTS:
            return result
        first = result[0] if isinstance(result, tuple) else result
        if not isinstance(first, torch.Tensor) or not first.is_floating_point():
            return result
        nudge = max(self.nudge, torch.finfo(first.dtype).eps)
        moved = first + nudge * signs(first) * rounding_scale(first)
        return (moved, *result[1:]) if isinstance(result, tuple) else moved


MATRIX_PRODUCTS_TEXT = (
    "mm addmm bmm baddbmm mv addmv dot convolution linear convolution_backward _convolution "
    "embedding mul add native_layer_norm native_batch_norm matmul mse_loss"
)
MATRIX_PRODUCTS = frozenset(MATRIX_PRODUCTS_TEXT.split())


def watch_truncated(recorder: Recorder) -> None:
    """`trunc_normal_` draws until it fits: what counts is what it leaves."""
    original = torch.nn.init.trunc_normal_

    def trunc_normal_(  # noqa: PLR0917 - the signature of torch.nn.init.trunc_normal_
        tensor: Any,
        mean: float = 0.0,
        std: float = 1.0,
        a: float = -2.0,
        b: float = 2.0,
        generator: Any = None,
    ) -> Any:
        with torch.utils._python_dispatch._disable_current_modes():
            result = original(tensor, mean, std, a, b, generator)
            values = (as_array(tensor).astype(np.float64) - mean) / std
        draw = Draw("normal", values.shape, values, mean, std, operation="trunc_normal_")
        draw.truncated = True
        recorder._keep(draw, result, (tensor,), in_place=True)
        if is_parameter(tensor):
            recorder._written(tensor)
        return result

    torch.nn.init.trunc_normal_ = trunc_normal_


def watch_orthogonal(recorder: Recorder) -> None:
    """`orthogonal_` factorises normal numbers: what counts is the matrix that it leaves."""
    original = torch.nn.init.orthogonal_

    def orthogonal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
        with torch.utils._python_dispatch._disable_current_modes():
            result = original(tensor, gain, generator)
            values = as_array(tensor).astype(np.float64) / (gain or 1.0)
        draw = Draw("orthogonal", values.shape, values, high=gain, operation="orthogonal_")
        recorder._keep(draw, result, (tensor,), in_place=True)
        if is_parameter(tensor):
            recorder._written(tensor)
        return result

    torch.nn.init.orthogonal_ = orthogonal_


class Call:
    """Arguments of an operator by name, whatever way they were given."""

    def __init__(
        self, name: str, schema: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.values = {
            each.name: each.default_value for each in schema.arguments if each.has_default_value()
        }
        self.values.update(
            (each.name, value) for each, value in zip(schema.arguments, args, strict=False)
        )
        self.values.update(kwargs)

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        return default if value is None else float(value)


def tensors(args: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for each in args:
        if isinstance(each, torch.Tensor):
            found.append(each)
        elif isinstance(each, list | tuple):
            found += [item for item in each if isinstance(item, torch.Tensor)]
    return found


def is_parameter(value: Any) -> bool:
    if not isinstance(value, torch.Tensor):
        return False
    return isinstance(value, torch.nn.Parameter) or (value.requires_grad and value.is_leaf)


def storage_of(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())


def by_a_layer() -> bool:
    """Whether a layer's own initialiser is at work, called by no line of the program directly."""
    frame: Any = sys._getframe(2)
    for _ in range(MAX_FRAMES):
        if frame is None or frame.f_code.co_filename == PROGRAM:
            return False
        if is_initialiser(frame.f_code):
            return True
        frame = frame.f_back
    return False


def is_initialiser(code: Any) -> bool:
    return code.co_name in INITIALISERS and "torch" in code.co_filename


def as_array(tensor: torch.Tensor) -> Array:
    dense = tensor.detach().cpu()
    if dense.dtype in (torch.bfloat16, torch.float16):
        dense = dense.to(torch.float32)
    array: Array = dense.clone().numpy()
    return array


def probabilities(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Array | None:
    """Probabilities or weights that a draw goes by, read before it may overwrite them."""
    if name in ("bernoulli", "multinomial") and isinstance(args[0], torch.Tensor):
        return as_array(args[0]).astype(np.float64)
    if name == "bernoulli_" and len(args) > 1 and isinstance(args[1], torch.Tensor):
        return as_array(args[1]).astype(np.float64)
    return None


Reader = Callable[[Any, Call, "Array | None"], "Draw | None"]


def uniform(result: Any, call: Call, before: Array | None) -> Draw:
    low, high = call.number("from", 0.0), call.number("to", 1.0)
    values = as_array(result).astype(np.float64)
    if high > low:
        values = (values - low) / (high - low)
    return Draw("uniform", values.shape, values, low, high, operation=call.name)


def normal(result: Any, call: Call, before: Array | None) -> Draw:
    mean, deviation = call.values.get("mean", 0.0), call.values.get("std", 1.0)
    values = as_array(result).astype(np.float64)
    mean, deviation = plain(mean), plain(deviation)
    with np.errstate(all="ignore"):
        values = np.where(deviation != 0, (values - mean) / deviation, 0.0)
    low = float(mean) if np.ndim(mean) == 0 else 0.0
    high = float(deviation) if np.ndim(deviation) == 0 else 1.0
    return Draw("normal", values.shape, values, low, high, operation=call.name)


def plain(value: Any) -> Any:
    return as_array(value).astype(np.float64) if isinstance(value, torch.Tensor) else float(value)


def exponential(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result).astype(np.float64) * call.number("lambd", 1.0)
    return Draw("exponential", values.shape, values, operation=call.name)


def bernoulli(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result) != 0
    probability = before
    if probability is None:
        probability = np.asarray(call.number("p", 0.5), dtype=np.float64)
    return Draw("bernoulli", values.shape, values, probability=probability, operation=call.name)


def native_dropout(result: Any, call: Call, before: Array | None) -> Draw | None:
    if call.values.get("train") is False:
        return None
    mask = as_array(result[1]) != 0
    keep = np.asarray(1.0 - call.number("p", 0.5))
    return Draw("bernoulli", mask.shape, mask, probability=keep, operation="dropout")


def integers(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result)
    if call.name == "random_" and call.values.get("to") is None:
        return Draw("other", values.shape, values.astype(np.int64), operation=call.name)
    low = call.number("from", 0) if call.name == "random_" else call.number("low", 0)
    high = call.number("to", 0) if call.name == "random_" else call.number("high", 0)
    whole = values.astype(np.int64)
    return Draw("integers", whole.shape, whole, low, high, operation=call.name)


def permutation(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result).astype(np.int64)
    return Draw("permutation", values.shape, values, operation=call.name)


def categorical(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result).astype(np.int64)
    weights = before if before is not None else np.ones(1)
    weights = weights / weights.sum(-1, keepdims=True)
    draw = Draw("categorical", values.shape, values, probability=weights, operation=call.name)
    draw.low = float(not call.values.get("replacement", False))
    return draw


def by_parameters(family: str, name: str) -> Reader:
    """A family whose parameters are an argument of the operator."""

    def read(result: Any, call: Call, before: Array | None) -> Draw:
        values = as_array(result).astype(np.float64)
        given = as_array(call.values[name]).astype(np.float64)
        return Draw(family, values.shape, values, probability=given, operation=call.name)

    return read


def standardised(family: str, center: str, scale: str) -> Reader:
    """A family of location and scale."""

    def read(result: Any, call: Call, before: Array | None) -> Draw:
        values = as_array(result).astype(np.float64)
        if call.name == "log_normal_":
            values = np.log(values)
        values = (values - call.number(center, 0.0)) / call.number(scale, 1.0)
        return Draw(family, values.shape, values, operation=call.name)

    return read


def other(result: Any, call: Call, before: Array | None) -> Draw:
    values = as_array(result if isinstance(result, torch.Tensor) else result[0])
    return Draw("other", values.shape, values, operation=call.name)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("rand", "rand_like", "uniform_", "uniform"), uniform),
    **dict.fromkeys(("randn", "randn_like", "normal_", "normal"), normal),
    **dict.fromkeys(("bernoulli", "bernoulli_"), bernoulli),
    **dict.fromkeys(("randint", "randint_like", "random_"), integers),
    **dict.fromkeys(
        (
            "binomial",
            "geometric_",
            "rrelu_with_noise",
        ),
        other,
    ),
    "native_dropout": native_dropout,
    "randperm": permutation,
    "multinomial": categorical,
    "exponential_": exponential,
    "_standard_gamma": by_parameters("gamma", "self"),
    "_sample_dirichlet": by_parameters("dirichlet", "self"),
    "poisson": by_parameters("poisson", "self"),
    "cauchy_": standardised("cauchy", "median", "sigma"),
    "log_normal_": standardised("normal", "mean", "std"),
}


def place(draw: Draw) -> None:
    """Where in the program a draw comes from, and what kind of caller made it."""
    frame = sys._getframe(2)
    for _ in range(MAX_FRAMES):
        code = frame.f_code
        if code.co_filename == PROGRAM:
            draw.line = frame.f_lineno
            return
        if is_initialiser(code):
            draw.default = True
        elif is_discarded(draw, frame):
            draw.dead = True
        following = frame.f_back
        if following is None:
            return
        frame = following


def rounding_scale(values: torch.Tensor) -> torch.Tensor:
    """How large a rounding error can be: a small sum of large terms is as inexact as they are."""
    typical = values.detach().square().mean().sqrt()
    return (values.detach().abs() + typical).masked_fill_(values == 0, 0.0)


def signs(like: torch.Tensor) -> torch.Tensor:
    """Ones and minus ones in no order: rounding errors do not all point one way."""
    make = kept_signs if like.numel() <= MOST_KEPT else made_signs
    return make(like.numel(), like.dtype).reshape(like.shape)


def made_signs(count: int, dtype: torch.dtype) -> torch.Tensor:
    places = torch.arange(count, dtype=torch.int64)
    bits = (places * 2654435761 >> 13) & 1
    return (2 * bits - 1).to(dtype)


# A training step has the same few sizes each time.
MOST_KEPT = 1 << 16
kept_signs = functools.lru_cache(maxsize=64)(made_signs)


def is_discarded(draw: Draw, frame: Any) -> bool:
    """Whether the caller is a loader that seeds itself, or a sampler that keeps none of it."""
    name = frame.f_code.co_filename
    if "dataloader" in name:
        return draw.operation == "random_"
    return name.endswith("sampler.py") and thrown_away(frame)


def thrown_away(frame: Any) -> bool:
    """Whether a sampler keeps none of this draw: its seed, and `randperm(n)[:n % n]`."""
    text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    around = text + linecache.getline(frame.f_code.co_filename, frame.f_lineno + 1)
    if "random_()" in text or "int64" in text:
        return True
    return "self.num_samples % n" in around and "range(" not in text
