"""Every probe of a reference module: outputs, train mode, gradients, short training, impostors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from . import torch_model, torch_sizes
from .reference_draws import Draws
from .reference_impostors import changed_models
from .reference_inputs import copied_inputs, widened
from .torch_loss import squared, weighted
from .torch_values import finite, map_tensors, plain, same, tensors, to_numpy

# The first step of the short training moves the parameters by about this share of their norm.
STEP = 0.02
MAX_IMPOSTOR_ELEMENTS = 4_000_000


class Recorder:
    """Runs one model through every probe, in single precision and once more in double."""

    def __init__(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        settings: Mapping[str, Any],
        state: dict[str, Any],
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.settings = settings
        self.state = state
        self.results: dict[str, Any] = {}
        self.lr = 0.0
        self.draws = Draws(int(settings["seed"]))

    def run(self) -> None:
        """Fill `results` and `state`."""
        self._prepare()
        order: list[str] = []
        with torch_model.calls(self.model, order):
            self._outputs()
        self._check_determinism()
        self.state["modules"] = torch_model.describe(self.model)
        self.state["calls"] = order
        self.state["aliases"] = torch_model.aliases(self.model)
        self.state["cases"] = list(self.inputs)
        self._train_mode()
        self._gradients()
        self._training()
        self._impostors()
        self._in_double()

    def shared(self, arguments: Any) -> dict[str, Any]:
        """What the candidate's box receives."""
        return {
            "arguments": plain(arguments),
            "inputs": plain(self.inputs),
            "parameters": {n: to_numpy(p) for n, p in self.model.named_parameters()},
            "buffers": {n: to_numpy(b) for n, b in self.model.named_buffers()},
            "attributes": {
                n: to_numpy(t) for n, t in torch_model.loose_tensors(self.model).items()
            },
            "lr": self.lr,
            "draws": self.draws.packed(),
            "frozen": [n for n, p in self.model.named_parameters() if not p.requires_grad],
        }

    def _prepare(self) -> None:
        """Random parameters, unless the reference cannot live with them."""
        kept = copy.deepcopy(self.model)
        torch_model.randomise(self.model, int(self.settings["seed"]))
        if not finite(self._forward(self.model, "declared")) and finite(
            self._forward(kept, "declared")
        ):
            self.model = kept
            self.state["notes"].append(
                "Random parameters made the reference's output non-finite; its own were used."
            )

    def _forward(
        self, model: nn.Module, case: str, train: bool = False, other_seed: bool = False
    ) -> Any:
        """One call on copies of model and inputs; nothing it changes stays."""
        copied = copy.deepcopy(model).train(train)
        self.draws.begin(other_seed)
        with torch.no_grad():
            return torch_sizes.call(copied, copied_inputs(self.inputs[case]))

    def _outputs(self) -> None:
        self.results["outputs"] = {}
        self.model.eval()
        for case in list(self.inputs):
            try:
                copied = copy.deepcopy(self.model)
                with torch.no_grad(), self.draws.recorded(case):
                    output = torch_sizes.call(copied, copied_inputs(self.inputs[case]))
            except Exception as error:
                if case == "declared":
                    raise
                self._drop(case, f"the reference raises {type(error).__name__}")
                continue
            if case != "declared" and not finite(output):
                self._drop(case, "the reference is not finite there")
                continue
            self.results["outputs"][case] = plain(output)
        if not tensors(self._forward(self.model, "declared")):
            self.state["no_tensors"] = True

    def _drop(self, case: str, why: str) -> None:
        del self.inputs[case]
        self.state["notes"].append(f"Inputs `{case}` were left out: {why}.")

    def _check_determinism(self) -> None:
        """Call again: under the same seed it must give the same, whatever it draws."""
        first = self.results["outputs"]["declared"]
        self.state["deterministic"] = same(plain(self._forward(self.model, "declared")), first)
        other = plain(self._forward(self.model, "declared", other_seed=True))
        self.state["draws"] = not same(other, first)

    def _train_mode(self) -> None:
        """Outputs and running statistics of one train-mode call, where the mode matters."""
        model = copy.deepcopy(self.model).train()
        case = self._sharp_case()
        found: dict[str, int] = {}
        try:
            with (
                torch_model.dropout_off(model),
                torch_model.counts(model, found),
                torch.no_grad(),
                self.draws.recorded("train"),
            ):
                output = plain(torch_sizes.call(model, copied_inputs(self.inputs[case])))
        except Exception as error:
            self.state["notes"].append(
                f"Train mode was left out: the reference raises {type(error).__name__} in it."
            )
            self.state["mode_matters"] = False
            return
        before = dict(self.model.named_buffers())
        after = {name: value for name, value in model.named_buffers() if value.is_floating_point()}
        changed = {n: v for n, v in after.items() if not torch.equal(v, before[n])}
        matters = bool(changed) or not same(output, self.results["outputs"][case])
        self.state["mode_matters"] = matters
        if matters and self.settings["train_mode"]:
            self.results["train"] = {
                "case": case,
                "output": output,
                "statistics": {name: to_numpy(value) for name, value in changed.items()},
                "biased": self._biased(model, found),
            }

    def _biased(self, model: nn.Module, found: Mapping[str, int]) -> dict[str, Any]:
        """Running variances as JAX libraries keep them: from the biased batch variance."""
        result = {}
        modules, before = dict(model.named_modules()), dict(self.model.named_modules())
        for path, count in found.items():
            module, old = modules[path], before[path]
            if module.momentum is None or count < 2:
                continue
            kept = (1 - module.momentum) * old.running_var
            batch = (module.running_var - kept) * (count - 1) / count
            result[f"{path}.running_var" if path else "running_var"] = to_numpy(kept + batch)
        return result

    def _sharp_case(self) -> str:
        """The inputs that show most: signed ones where the reference takes them."""
        return next(case for case in ("signed", "fresh", "declared") if case in self.inputs)

    def _gradients(self) -> None:
        if not self.settings["gradients"]:
            return
        case = self._sharp_case()
        try:
            gradients = self._differentiate(self.model, case)
        except Exception as error:
            self.state["notes"].append(
                f"Gradients were left out: the reference raises {type(error).__name__}."
            )
            return
        if gradients is None:
            self.state["notes"].append("Gradients were left out: no output depends on anything.")
            return
        self.results["gradients"] = {"case": case, **gradients}

    def _differentiate(self, model: nn.Module, case: str) -> dict[str, Any] | None:
        copied = copy.deepcopy(model).eval()
        inputs = copied_inputs(self.inputs[case], gradients=True)
        self.draws.begin()
        with torch_model.dropout_off(copied):
            loss = weighted(torch_sizes.call(copied, inputs))
        named = {n: p for n, p in copied.named_parameters() if p.requires_grad}
        asked = {f"input[{i}]": t for i, t in enumerate(tensors(inputs)) if t.is_floating_point()}
        if loss is None or not loss.requires_grad or not (named or asked):
            return None
        sources = [*named.values(), *asked.values()]
        found = torch.autograd.grad(loss, sources, allow_unused=True)
        arrays = [
            to_numpy(torch.zeros_like(source) if gradient is None else gradient)
            for source, gradient in zip(sources, found, strict=True)
        ]
        return {
            "loss": to_numpy(loss),
            "parameters": dict(zip(named, arrays[: len(named)], strict=True)),
            "inputs": dict(zip(asked, arrays[len(named) :], strict=True)),
            "unused": [n for n, g in zip(named, found[: len(named)], strict=True) if g is None],
        }

    def _training(self) -> None:
        steps = int(self.settings["training_steps"])
        if not steps or "gradients" not in self.results or not self._trainable():
            return
        case = self.results["gradients"]["case"]
        try:
            self.lr = self._rate(case)
            if self.lr <= 0.0:
                return
            self.results["training"] = {
                "case": case,
                "steps": steps,
                **self._train(self.model, case, steps, self.lr),
            }
        except Exception as error:
            self.state["notes"].append(
                f"The short training was left out: the reference raises {type(error).__name__}."
            )

    def _trainable(self) -> bool:
        return any(p.requires_grad for p in self.model.parameters())

    def _rate(self, case: str) -> float:
        """A learning rate under which the first step moves the parameters visibly."""
        model = copy.deepcopy(self.model)
        loss, found = self._step(model, case)
        if loss is None:
            return 0.0
        pushed = sum(float(g.double().pow(2).sum()) for g in found.values()) ** 0.5
        size = sum(float(p.detach().double().pow(2).sum()) for p in model.parameters()) ** 0.5
        if not np.isfinite(pushed) or pushed == 0.0:
            return 0.0
        return float(np.float32(STEP * size / pushed))

    def _step(self, model: nn.Module, case: str) -> tuple[Any, dict[str, torch.Tensor]]:
        model.train(bool(self.state["mode_matters"]))
        self.draws.begin()
        with torch_model.dropout_off(model):
            loss = squared(torch_sizes.call(model, copied_inputs(self.inputs[case])))
        named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if loss is None or not loss.requires_grad:
            return None, {}
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        return loss.detach(), {n: g for n, g in zip(named, found, strict=True) if g is not None}

    def _train(self, model: nn.Module, case: str, steps: int, lr: float) -> dict[str, Any]:
        """Plain SGD; the losses before each step and after the last, and each parameter's move."""
        copied = copy.deepcopy(model)
        start = {n: p.detach().clone() for n, p in copied.named_parameters()}
        losses = []
        for _ in range(steps):
            loss, found = self._step(copied, case)
            losses.append(to_numpy(loss))
            with torch.no_grad():
                for name, parameter in copied.named_parameters():
                    if name in found:
                        parameter.sub_(lr * found[name])
        losses.append(to_numpy(self._step(copied, case)[0]))
        moved = {n: to_numpy(p.detach() - start[n]) for n, p in copied.named_parameters()}
        return {"losses": np.stack(losses), "moved": moved}

    def _impostors(self) -> None:
        """What wrong programs would have shown: transposed weights, dropped biases, wrong rates."""
        case = self._sharp_case()
        made: dict[str, Any] = {}
        size = sum(t.numel() for t in tensors(self._forward(self.model, case)))
        if size <= MAX_IMPOSTOR_ELEMENTS:
            for name, model in changed_models(self.model):
                try:
                    made[name] = plain(self._forward(model, case))
                except Exception:  # noqa: S112 - an impostor that cannot run deceives nobody
                    continue
        self.results["impostors"] = {"case": case, "outputs": made}
        if "training" in self.results:
            steps = int(self.settings["training_steps"])
            trained = self._train(self.model, case, steps, 2 * self.lr)
            self.results["impostors"]["doubled_rate"] = trained["losses"]

    def _in_double(self) -> None:
        """The same in float64: the distance is the reference's own rounding error."""
        if self.draws.logs:
            # A generator gives other numbers in double precision.
            return
        try:
            model = copy.deepcopy(self.model).double()
            double = Recorder(
                model, map_tensors(self.inputs, widened), self.settings, {"notes": []}
            )
            double.state["mode_matters"] = self.state.get("mode_matters", False)
            double.lr = self.lr
            self.results["double"] = double.exact(self.results)
        except Exception as error:
            self.state["notes"].append(
                f"The reference's rounding error is not known: {type(error).__name__} in float64."
            )

    def exact(self, single: Mapping[str, Any]) -> dict[str, Any]:
        """The probes of `single`, recomputed by this (double-precision) recorder."""
        found: dict[str, Any] = {
            "outputs": {case: plain(self._forward(self.model, case)) for case in single["outputs"]}
        }
        if "train" in single:
            with torch_model.dropout_off(self.model):
                found["train"] = plain(
                    self._forward(self.model, single["train"]["case"], train=True)
                )
        if "gradients" in single:
            found["gradients"] = self._differentiate(self.model, single["gradients"]["case"])
        if "training" in single:
            steps = int(self.settings["training_steps"])
            case = single["training"]["case"]
            found["training"] = self._train(self.model, case, steps, self.lr)
        return found
