"""Entry: runs a PyTorch program and writes down what it showed and what it drew."""

from __future__ import annotations

import functools
import platform
import random
from typing import Any

import numpy as np
import torch

from . import program_run, program_values, random_log, random_numpy, report
from .random_photo import Album
from .random_record import Recorder, watch_orthogonal, watch_truncated
from .torch_cpu import everything_on_cpu

DRAWS = "draws.npz"
PHOTOS = "photos.npz"
# Stays on the trusted side: the candidate may see how training begins, not how it ends.
TRAINED = "trained.npz"
ADAPTIVE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax")
# The comparison allows thirty times what this moves.
RATE_NUDGE = 2e-6


def main() -> None:
    settings = program_run.settings()
    program_run.prepare()
    program_run.open_providers(int(settings["data_examples"]))
    program_run.seed_generators(int(settings["seed"]))
    torch.manual_seed(int(settings["seed"]))
    log = random_log.Log()
    recorder = Recorder(log)
    recorder.nudge = float(settings["nudge"])
    album = Album(recorder, as_jax=bool(settings["as_jax"]))
    album.open()
    watch_truncated(recorder)
    watch_orthogonal(recorder)
    random_numpy.install(lambda call: logged(log, call))
    tame()
    if recorder.nudge:
        nudge_adaptive_rates()
    if settings["as_jax"]:
        use_biased_statistics()
    shift_seeds(int(settings.get("shift", 0)))
    with everything_on_cpu(), recorder:
        ending = program_run.execute(settings["constants"])
        observed = program_run.observe(settings.get("observe", ""), "reference", ending, convert)
    record = {
        "error": ending.error,
        "values": program_values.module_values(ending.namespace, convert) | observed,
        "trained": trained_names(ending.namespace),
        "plots": program_run.plots(),
        "scalars": program_run.scalars(),
        "files": program_values.written_files(ending.before),
        "data": program_run.data_used(),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
        },
    }
    (report.OUT / DRAWS).write_bytes(random_log.encode(log))
    report.write(PHOTOS, album.developed())
    report.write(TRAINED, album.trained())
    report.write(program_run.RECORD, record)


def nudge_adaptive_rates() -> None:
    """Adam's bias corrections are single precision in JAX and double in PyTorch.

    `1 - 0.999 ** t` then differs by about 1e-5 of itself in every step, as another rate would.
    """
    for name in ADAPTIVE:
        optimizer = getattr(torch.optim, name)
        optimizer.step = at_another_rate(optimizer.step)


def at_another_rate(step: Any) -> Any:
    @functools.wraps(step)
    def nudged(self: Any, *args: Any, **keywords: Any) -> Any:
        rates = [group["lr"] for group in self.param_groups]
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate * (1.0 + RATE_NUDGE)
        try:
            return step(self, *args, **keywords)
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate

    return nudged


def use_biased_statistics() -> None:
    """Batch norms keep the biased variance, as JAX's do; PyTorch keeps the unbiased one."""
    original = torch.nn.functional.batch_norm

    @functools.wraps(original)
    def batch_norm(x: Any, running_mean: Any, running_var: Any, *args: Any, **keywords: Any) -> Any:
        count = x.numel() // max(x.shape[1], 1)
        before = None if running_var is None else running_var.clone()
        result = original(x, running_mean, running_var, *args, **keywords)
        if before is not None and count > 1:
            momentum = keywords.get("momentum", args[4] if len(args) > 3 + 1 else 0.1)
            kept = (1.0 - momentum) * before
            with torch.no_grad():
                moved = not torch.equal(before, running_var)
                if moved:
                    running_var.copy_(kept + (running_var - kept) * (count - 1) / count)
        return result

    torch.nn.functional.batch_norm = batch_norm


def shift_seeds(shift: int) -> None:
    """Every seed that the program sets becomes another: its draws are other ones then."""
    if not shift:
        return
    owners = ((torch, "manual_seed"), (np.random, "seed"), (random, "seed"))
    for owner, name in owners:
        setattr(owner, name, shifted(getattr(owner, name), shift))
        getattr(owner, name)(0)


def shifted(original: Any, shift: int) -> Any:
    def seed(value: Any = 0, *args: Any) -> Any:
        moved = value + shift if isinstance(value, int) and not args else value
        return original(moved, *args)

    return seed


def logged(log: random_log.Log, call: random_numpy.Call) -> np.ndarray[Any, Any]:
    """Log a draw of NumPy's or Python's; it stays what it is."""
    log.add(
        random_log.Draw(
            call.family,
            call.values.shape,
            call.values,
            call.low,
            call.high,
            probability=call.probability,
            source="numpy",
            operation=call.operation,
            line=call.line,
        )
    )
    return call.values


def tame() -> None:
    """One process, no compiler: loaders load in this one, `torch.compile` hands through."""
    loader = torch.utils.data.DataLoader
    original = loader.__init__

    @functools.wraps(original)
    def build(self: Any, *args: Any, **keywords: Any) -> None:
        for name in ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory"):
            keywords.pop(name, None)
        original(self, *args[:5], **keywords)

    loader.__init__ = build
    torch.compile = compile_nothing


def compile_nothing(model: Any = None, **_options: Any) -> Any:
    return (lambda function: function) if model is None else model


def trained_names(namespace: dict[str, Any]) -> list[str]:
    """Variables that hold parameters: training changes them in place, as JAX arrays never are."""
    return [
        name
        for name, value in namespace.items()
        if isinstance(value, torch.Tensor) and value.requires_grad and value.is_leaf
    ]


def convert(value: Any) -> np.ndarray[Any, Any] | None:
    """A dense tensor as an array; bfloat16 as float32."""
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    dense = value.detach().cpu().resolve_conj().resolve_neg()
    if dense.is_quantized:
        dense = dense.dequantize()
    if dense.dtype is torch.bfloat16:
        dense = dense.to(torch.float32)
    array: np.ndarray[Any, Any] = dense.numpy()
    return array
