"""Entry: times the forward pass of a candidate module on the reference's declared inputs."""

from __future__ import annotations

from typing import Any

import jax

from . import gpu, report, snippet
from .candidate_module import Candidate
from .jax_values import arrays_of, with_arrays
from .measure_program import TIMES
from .timing import forward_times


def main() -> None:
    state: dict[str, Any] = {"notes": []}
    found: dict[str, Any] = {"error": None, "times": None}
    try:
        runner = Candidate(report.job(), report.read("shared.npz"), state)
        runner.load()
        runner.construct()
        runner.map_parameters()
        found["times"] = forward_times(forward(runner))
        if jax.default_backend() == "gpu":
            found[gpu.MEMORY] = gpu.peak_mb("candidate")
    except BaseException as error:
        told = snippet.describe_error(error, "candidate")
        found["error"] = {"message": f"{told['type']}: {told['text']}", "line": told["line"]}
    report.write_json(TIMES, found)


def forward(runner: Candidate) -> Any:
    """A call of the compiled model, or of the plain one where it cannot be traced."""
    inputs = runner.inputs["declared"]
    arrays = jax.device_put(arrays_of(inputs))
    values = jax.device_put(runner.values)

    def run(parameters: Any, given: Any) -> Any:
        return runner.adapter.run(parameters, with_arrays(inputs, given), False)[0]

    try:
        jax.eval_shape(run, values, arrays)
    except Exception:
        return lambda: jax.block_until_ready(run(values, arrays))
    jax.clear_caches()
    compiled = jax.jit(run)
    return lambda: jax.block_until_ready(compiled(values, arrays))
