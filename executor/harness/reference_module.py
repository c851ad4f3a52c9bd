"""Run a reference module: build it, randomise it, record every probe of its contract.

Leaves `shared.npz` (what the candidate may see: arguments, inputs, initial parameters),
`recorded.npz` (what it may not: outputs, gradients, trained parameters) and `report.json`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from . import observations, report, snippet, torch_cpu, torch_model, torch_sizes, varied
from .reference_inputs import make_inputs
from .reference_recorder import Recorder
from .seeds import set_seeds
from .torch_values import plain


class Unusable(Exception):
    """The reference cannot serve; the text says why."""


def main() -> None:
    settings = report.job()
    state: dict[str, Any] = {"ok": False, "stage": "import", "notes": [], "error": None}
    try:
        with torch_cpu.everything_on_cpu():
            record(settings, state)
        state["ok"] = True
    except BaseException as error:
        state["error"] = snippet.describe_error(error, "reference")
    report.write_json("report.json", state)


def record(settings: Mapping[str, Any], state: dict[str, Any]) -> None:
    """Everything there is to observe, into files; what is known so far, into `state`."""
    torch.set_num_threads(1)
    state["versions"] = {"python": platform.python_version(), "torch": str(torch.__version__)}
    constants = dict(settings["constants"])
    if settings["auto_constants"]:
        proposed, note = torch_sizes.propose(report.IN / "reference.py", constants)
        constants.update(proposed)
        state["notes"] += [note] if note else []
    state["constants"] = constants
    seed = int(settings["seed"])
    set_seeds(seed)
    module = snippet.load(report.IN / "reference.py", "reference", constants)
    state["stage"] = "run"
    arguments = module.get_init_inputs() if hasattr(module, "get_init_inputs") else []
    model = make(module, arguments, seed)
    state["random_attributes"] = random_attributes(module, arguments, model, seed)
    state["varied"] = varied_shapes(module, arguments, model)
    inputs = make_inputs(module, settings, seed)
    recorded = Recorder(model, inputs, settings, state)
    recorded.run()
    if settings["observe"]:
        recorded.results["observed"] = observations.collect(
            settings["observe"], "reference", vars(module) | {"inputs": inputs}, plain
        )
    report.write("shared.npz", recorded.shared(arguments))
    report.write("recorded.npz", recorded.results)


def make(module: Any, arguments: Any, seed: int) -> nn.Module:
    """The model, with its own random initial values."""
    set_seeds(seed)
    model = torch_sizes.build(module.Model, arguments)
    if not isinstance(model, nn.Module):
        raise Unusable("Model is not a torch.nn.Module.")
    torch_model.settle(model)
    return model


def varied_shapes(module: Any, arguments: Any, model: nn.Module) -> list[Any]:
    """Shapes of the parameters under other constructor arguments, where a square one asks for it.

    Nothing is computed: a large model would take memory for nothing.
    """
    shapes = [tuple(p.shape) for p in model.parameters() if p.ndim >= 2]
    if not any(shape[0] == shape[1] for shape in shapes):
        return []
    found = []
    for changed in varied.variants(arguments):
        try:
            json.dumps(changed)
            with torch.device("meta"):
                other = torch_sizes.build(module.Model, changed)
            named = {name: list(p.shape) for name, p in other.named_parameters()}
        except Exception:  # noqa: S112 - sizes that do not go together say nothing
            continue
        found.append([changed, named])
    return found


def random_attributes(module: Any, arguments: Any, model: nn.Module, seed: int) -> list[str]:
    """Plain tensor attributes that differ from one construction to the next."""
    loose = torch_model.loose_tensors(model)
    if not loose:
        return []
    other = torch_model.loose_tensors(make(module, arguments, seed + 1))
    return sorted(
        name
        for name, value in loose.items()
        if name not in other or not torch.equal(value, other[name])
    )


if __name__ == "__main__":
    main()
