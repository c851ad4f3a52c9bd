"""Run a candidate module: carry the reference's parameters over, record every probe.

Leaves `report.json` (how far it came, the mapping) after every phase, and one packet per phase:
`outputs.npz`, `train.npz`, `gradients.npz`, `training.npz`, `alternatives.npz`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import bridge, contexts, effort, models, observations, recipe, report, snippet, varied
from .adapter import Adapter
from .jax_values import (
    arrays_of,
    loss_of,
    map_arrays,
    plain,
    to_jax,
    with_arrays,
)
from .seeds import set_seeds
from .units import reference_tensors

MAX_ALTERNATIVES = 8


def main() -> None:
    state: dict[str, Any] = {"phase": "import", "error": None, "notes": [], "times": {}}
    settings = report.job()
    effort.spare(settings)
    contexts.install()
    state["versions"] = versions()
    runner = Candidate(settings, report.read("shared.npz"), state)
    try:
        for phase in runner.phases():
            state["phase"] = phase.__name__
            report.write_json("report.json", state)
            started = time.monotonic()
            phase()
            state["times"][phase.__name__] = round(time.monotonic() - started, 3)
        state["phase"] = "finished"
    except BaseException as error:
        state["error"] = snippet.describe_error(error, "candidate")
        if isinstance(error, MemoryError):
            state["error"]["type"] = "MemoryError"
    report.write_json("report.json", state)


def versions() -> dict[str, str]:
    """Python and the libraries the candidate runs under."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("jax", "jaxlib", "flax", "optax", "equinox", "dm-haiku", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["device"] = jax.default_backend()
    found["x64"] = str(jax.config.jax_enable_x64)
    return found


class Candidate:
    """One candidate on its way through the phases."""

    def __init__(
        self, settings: Mapping[str, Any], shared: Mapping[str, Any], state: dict[str, Any]
    ) -> None:
        self.settings = settings
        self.shared = shared
        self.state = state
        self.inputs = {case: to_jax(value) for case, value in shared["inputs"].items()}
        self.module: Any = None
        self.adapter: Adapter
        self.values: dict[str, Any] = {}
        self.forwards: dict[str, Any] = {}
        self.steps: dict[bool, Any] = {}
        self.scales: dict[str, Any] = {}
        self.draws: Any = None

    def phases(self) -> list[Any]:
        """What is done, in order; each is named in the report when it breaks."""
        found = [self.load, self.own_inputs, self.construct, self.map_parameters, self.outputs]
        wanted = self.settings["probes"]
        found += [self.train] if "train" in wanted else []
        found += [self.gradients] if "gradients" in wanted else []
        found += [self.training] if "training" in wanted else []
        found += [self.observe] if "observed" in wanted else []
        return [*found, self.alternatives]

    def load(self) -> None:
        if self.shared["draws"]:
            from . import module_draws

            self.draws = module_draws.Draws(self.shared["draws"])
        self.module = snippet.load(
            report.IN / "candidate.py", "candidate", self.settings["constants"]
        )

    def own_inputs(self) -> None:
        """The candidate's get_inputs() is part of it: it must run, and give the same shapes."""
        function = getattr(self.module, "get_inputs", None)
        if not callable(function):
            self.state["own_inputs"] = None
            return
        try:
            made = jax.eval_shape(lambda: _only_arrays(function()))
        except Exception:
            made = _only_arrays(function())
        self.state["own_inputs"] = [[list(each.shape), each.dtype.name] for each in made]

    def construct(self) -> None:
        self.adapter = models.find(
            self.module, self.shared["arguments"], self.inputs["declared"], self.state["notes"]
        )
        self.state["library"] = self.adapter.library
        self.state["has_mode"] = self.adapter.has_mode

    def map_parameters(self) -> None:
        shapes = {
            group: {name: tuple(array.shape) for name, array in self.shared[group].items()}
            for group in ("parameters", "buffers", "attributes")
        }
        description = self.settings["reference"]
        tensors = reference_tensors(
            description, shapes["parameters"], shapes["buffers"], shapes["attributes"]
        )
        leaves = self.adapter.leaves()
        found = bridge.match(description, tensors, leaves, self.settings["pins"])
        again = bridge.match(description, tensors, leaves, self.settings["pins"], other_order=True)
        self.reordered = found.differing(again)
        self._ask_sizes(found)
        found.force(self.settings["forced"])
        self.state["mapping"] = found.to_json()
        self.state["missing"] = found.missing
        self.state["extra"] = found.extra
        self.state["tree"] = [
            {"path": leaf.path, "shape": list(leaf.shape), "dtype": self.adapter.dtypes[leaf.path]}
            for leaf in leaves
        ]
        self.entries = found.entries
        self.open = found.open
        self.values = self._filled({p: e.recipe for p, e in found.entries.items()})
        # A sum of two parameters moves twice as far as one.
        self.scales = {p: self._scale(e.recipe) for p, e in found.entries.items()}

    def _ask_sizes(self, found: bridge.Bridge) -> None:
        """Settle square matrices by their shapes under other constructor arguments."""
        known = [
            (arguments, {name: tuple(shape) for name, shape in shapes.items()})
            for arguments, shapes in self.settings["varied"]
        ]
        shapes_under = functools.cache(
            lambda number: models.shapes(self.module, known[number][0], self.inputs["declared"])
        )
        numbered = [(number, shapes) for number, (_, shapes) in enumerate(known)]
        for path, others in list(found.open.items()):
            plans = [found.entries[path].recipe, *others]
            plan = varied.told(plans, path, numbered, shapes_under)
            if plan is not None:
                found.settle(path, plan, "sizes")

    def _scale(self, plan: recipe.Recipe) -> Any:
        if plan["combine"] != "sum":
            return 1.0
        return np.asarray(recipe.counts(plan, self._sources()), np.float32)

    def _sources(self) -> dict[str, Any]:
        return {
            **self.shared["attributes"],
            **self.shared["buffers"],
            **self.shared["parameters"],
        }

    def _filled(self, recipes: Mapping[str, Any]) -> dict[str, Any]:
        """The candidate's values: its own, with everything that is mapped carried over."""
        sources = self._sources()
        dtypes = self.adapter.dtypes
        filled = {
            path: jnp.asarray(np.array(recipe.apply(plan, sources)), dtypes[path])
            for path, plan in recipes.items()
        }
        if len(filled) == len(dtypes):
            return {path: filled[path] for path in dtypes}
        return {**{p: jnp.asarray(v) for p, v in self.adapter.initial().items()}, **filled}

    def outputs(self) -> None:
        found = {case: plain(self._forward(self.values, case)) for case in self.inputs}
        report.write("outputs.npz", found)
        self.forwards.clear()
        report.write("again.npz", plain(self._forward(self.values, "declared")))

    def _forward(self, values: dict[str, Any], case: str) -> Any:
        """One trace serves all inputs of one form, unless each call has draws of its own."""
        inputs = self.inputs[case]
        form = repr(map_arrays(inputs, lambda array: (array.shape, array.dtype.name)))
        if self.draws is not None or form not in self.forwards:
            self.forwards[form] = lambda v, arrays: self.adapter.run(
                v, with_arrays(inputs, arrays), False
            )[0]
        return self._traced(case, self.forwards[form], values, arrays_of(inputs))

    def train(self) -> None:
        inputs = self.inputs[self.settings["sharp_case"]]
        output, changed = self._traced(
            "train",
            lambda v, arrays: self.adapter.run(v, with_arrays(inputs, arrays), True),
            self.values,
            arrays_of(inputs),
        )
        report.write("train.npz", {"output": plain(output), "statistics": plain(changed)})

    def _trainable(self) -> dict[str, Any]:
        frozen = set(self.shared["frozen"]) | set(self.shared["buffers"])
        frozen |= set(self.shared["attributes"])
        return {
            path: value
            for path, value in self.values.items()
            if path in self.entries
            and jnp.issubdtype(value.dtype, jnp.floating)
            and not set(recipe.names(self.entries[path].recipe)) <= frozen
        }

    def gradients(self) -> None:
        """Of the probes' loss, by the parameters and by the inputs."""
        case = self.settings["sharp_case"]
        free = self._trainable()
        still = {path: value for path, value in self.values.items() if path not in free}
        (value, _), (of_values, of_inputs) = self._step(case, False, False, free, still)
        report.write(
            "gradients.npz",
            {
                "loss": plain(value),
                "parameters": plain(of_values),
                "inputs": {f"input[{place}]": plain(each) for place, each in of_inputs.items()},
            },
        )

    def training(self) -> None:
        """Plain SGD from the carried-over parameters, in train mode where the mode matters."""
        train = bool(self.settings["mode_matters"])
        call = "train" if train else self.settings["sharp_case"]
        lr = float(self.shared["lr"])
        # The steps between are NumPy's: JAX would compile each operation for each shape.
        start = {path: np.asarray(value) for path, value in self._trainable().items()}
        still = {path: value for path, value in self.values.items() if path not in start}
        moving, losses = dict(start), []
        for step in range(int(self.settings["training_steps"]) + 1):
            placed = {path: jnp.asarray(value) for path, value in moving.items()}
            (value, kept), (found, _) = self._step(call, train, True, placed, still)
            losses.append(np.asarray(value))
            if step < int(self.settings["training_steps"]):
                still = {**still, **kept}
                moving = {
                    p: v - (lr * self.scales[p] * np.asarray(found[p])).astype(v.dtype)
                    for p, v in moving.items()
                }
        report.write(
            "training.npz",
            {
                "losses": np.stack(losses),
                "moved": {p: v - start[p] for p, v in moving.items()},
            },
        )

    def _step(
        self,
        call: str,
        train: bool,
        square: bool,
        moving: dict[str, Any],
        still: dict[str, Any],
    ) -> Any:
        """((loss, statistics), gradients by `moving` and by the floating inputs, by place).

        One function of each mode, whichever loss is asked for: compiling it is what takes time.
        """
        inputs = self.inputs[self.settings["sharp_case"]]
        arrays = dict(enumerate(arrays_of(inputs)))
        floats = {p: a for p, a in arrays.items() if jnp.issubdtype(a.dtype, jnp.floating)}
        rest = {place: array for place, array in arrays.items() if place not in floats}

        def loss(
            moving: dict[str, Any], floats: Any, rest: Any, still: dict[str, Any], square: Any
        ) -> Any:
            given = [value for _, value in sorted({**floats, **rest}.items())]
            output, changed = self.adapter.run(
                {**still, **moving}, with_arrays(inputs, given), train
            )
            kept = {path: changed[path] for path in still if path in changed}
            return loss_of(output, square), kept

        if train not in self.steps:
            self.steps[train] = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        return self._traced(call, self.steps[train], moving, floats, rest, still, square)

    def observe(self) -> None:
        """The annotator's own probes."""
        namespace = vars(self.module) | {"inputs": self.inputs}
        found = observations.collect(self.settings["observe"], "candidate", namespace, plain)
        report.write("observed.npz", found)

    def alternatives(self) -> None:
        """Outputs under the other mappings that fit as well, for the trusted side to judge."""
        found = []
        for plans in self._other_mappings():
            chosen = {path: e.recipe for path, e in self.entries.items()} | plans
            values = self._filled(chosen)
            case = self.settings["sharp_case"]
            with contextlib.suppress(Exception):
                output = plain(self._forward(values, case))
                found.append({"leaves": list(plans), "recipes": plans, "output": output})
        report.write("alternatives.npz", found)

    def _other_mappings(self) -> list[dict[str, Any]]:
        """The reference's other order, then choices among the open recipes."""
        reordered = [self.reordered] if self.reordered else []
        if not self.open:
            return reordered
        paths = list(self.open)
        ways = [[self.entries[p].recipe, *self.open[p]] for p in paths]
        every = itertools.product(*ways)
        next(every)
        return [
            *reordered,
            *(
                dict(zip(paths, each, strict=True))
                for each in itertools.islice(every, MAX_ALTERNATIVES)
            ),
        ]

    def _traced(self, call: str, function: Any, *arguments: Any) -> Any:
        """The function compiled, or run step by step where it cannot be traced.

        Its draws are those of the reference's `call`.
        """
        try:
            with self._drawing(call):
                return jax.block_until_ready(jax.jit(function)(*arguments))
        except Exception:
            with self._drawing(call):
                return function(*arguments)

    @contextlib.contextmanager
    def _drawing(self, call: str) -> Iterator[None]:
        set_seeds(int(self.settings["seed"]))
        if self.draws is None:
            yield
            return
        self.draws.begin(call)
        try:
            yield
        finally:
            jax.effects_barrier()
            self.draws.end()
            self.state["unanswered"] = self.draws.unanswered


def _only_arrays(value: Any) -> list[Any]:
    return [jnp.asarray(each) for each in arrays_of(map_arrays(value, lambda a: a))]


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main()
