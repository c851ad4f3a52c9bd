"""References written for a GPU, run on the CPU: every device they name is the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

ELSEWHERE = ("cuda", "mps", "xpu")
# Where devices that are not here are sent to.
_target = "cpu"


class _Cpu(TorchFunctionMode):  # type: ignore[misc]
    """Replaces devices in the arguments of every torch function."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        moved = {name: _here(value) for name, value in (kwargs or {}).items()}
        return func(*(_here(value) for value in args), **moved)


def _here(value: Any) -> Any:
    if isinstance(value, str) and value.split(":")[0] in ELSEWHERE:
        return _target
    if isinstance(value, torch.device) and value.type in ELSEWHERE:
        return torch.device(_target)
    return value


@contextlib.contextmanager
def everything_on_cpu() -> Iterator[None]:
    """`.cuda()` and `device="cuda"` mean the CPU; torch.cuda.is_available() stays false."""
    kept = [(owner, owner.cuda, owner.to) for owner in (torch.Tensor, torch.nn.Module)]
    for owner, _, to in kept:
        owner.cuda = _stay
        owner.to = _to(to)
    synchronize = torch.cuda.synchronize
    torch.cuda.synchronize = lambda *_: None
    try:
        with _Cpu():
            yield
    finally:
        torch.cuda.synchronize = synchronize
        for owner, cuda, to in kept:
            owner.cuda, owner.to = cuda, to


@contextlib.contextmanager
def sent_to(device: str) -> Iterator[None]:
    """Inside `everything_on_cpu`, devices that are not here mean this one for a while."""
    global _target  # noqa: PLW0603 - the function mode is made once and reads it at every call
    kept, _target = _target, device
    try:
        yield
    finally:
        _target = kept


def _stay(self: Any, *_arguments: Any, **_keywords: Any) -> Any:
    return self


def _to(original: Any) -> Any:
    def to(self: Any, *arguments: Any, **keywords: Any) -> Any:
        moved = {name: _here(value) for name, value in keywords.items()}
        return original(self, *(_here(value) for value in arguments), **moved)

    return to
