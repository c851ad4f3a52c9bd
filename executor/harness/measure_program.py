"""Entry: runs a program as a person would, on its own draws, and tells how long it took."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

from . import gpu, program_run, report
from .timing import Compilations, Stopwatch

TIMES = "times.json"


def main() -> None:
    settings = program_run.settings()
    program_run.prepare()
    program_run.open_providers(int(settings["data_examples"]))
    program_run.seed_generators(int(settings["seed"]))
    compilations = Compilations()
    on_gpu = settings["device"] == "gpu"
    if on_gpu:
        gpu.start(settings["side"])
    with prepared(settings, compilations):
        watch = Stopwatch()
        ending = program_run.execute(settings["constants"])
        program_run.observe(settings["observe"], settings["side"], ending, lambda _: None)
        finish(settings)
        times = watch.read()
    times["compile_s"] = min(compilations.seconds(), times["wall_s"])
    times["steady_s"] = times["wall_s"] - times["compile_s"]
    held = gpu.peak_mb(settings["side"]) if on_gpu else 0.0
    report.write_json(TIMES, {"error": ending.error, "times": times, gpu.MEMORY: held})


def prepared(settings: dict[str, Any], compilations: Compilations) -> AbstractContextManager[None]:
    """What a side needs before its program: listeners, and its device in place of another."""
    if settings["side"] == "candidate":
        compilations.listen()
        return contextlib.nullcontext()
    import torch

    from .torch_cpu import everything_on_cpu

    torch.manual_seed(int(settings["seed"]))
    on_gpu = settings["device"] == "gpu"
    return contextlib.nullcontext() if on_gpu else everything_on_cpu()


def finish(settings: dict[str, Any]) -> None:
    """Waits for what is still being computed: both frameworks return before it is."""
    if settings["side"] == "candidate":
        import jax

        with contextlib.suppress(Exception):
            jax.block_until_ready(jax.live_arrays())
            jax.effects_barrier()
    elif settings["device"] == "gpu":
        import torch

        torch.cuda.synchronize()
