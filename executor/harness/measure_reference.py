"""Entry: times the forward pass of a reference module on its own declared inputs."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from . import gpu, report, snippet, torch_sizes
from .measure_program import TIMES
from .reference_inputs import make_inputs
from .reference_module import make
from .seeds import set_seeds
from .timing import forward_times
from .torch_cpu import everything_on_cpu
from .torch_values import map_tensors


def main() -> None:
    settings = report.job()
    found: dict[str, Any] = {"error": None, "times": None}
    on_gpu = settings["device"] == "gpu"
    try:
        with contextlib.nullcontext() if on_gpu else everything_on_cpu():
            if on_gpu:
                gpu.start("reference")
            found["times"] = measured(settings, "cuda" if on_gpu else "cpu")
            found[gpu.MEMORY] = gpu.peak_mb("reference") if on_gpu else 0.0
    except BaseException as error:
        told = snippet.describe_error(error, "reference")
        found["error"] = {"message": f"{told['type']}: {told['text']}", "line": told["line"]}
    report.write_json(TIMES, found)


def measured(settings: dict[str, Any], device: str) -> dict[str, float]:
    torch.set_num_threads(1)
    seed = int(settings["seed"])
    set_seeds(seed)
    module = snippet.load(report.IN / "reference.py", "reference", settings["constants"])
    arguments = module.get_init_inputs() if hasattr(module, "get_init_inputs") else []
    model = make(module, arguments, seed).to(device).eval()
    inputs = make_inputs(module, {**settings, "cases": ["declared"]}, seed)["declared"]
    inputs = map_tensors(inputs, lambda tensor: tensor.to(device))

    def call() -> None:
        with torch.no_grad():
            torch_sizes.call(model, inputs)
        if device == "cuda":
            torch.cuda.synchronize()

    return forward_times(call)
