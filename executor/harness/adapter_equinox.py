"""Equinox modules, which are pytrees that call themselves."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

from .adapter import Values
from .jax_values import (
    KEY_NAMES,
    arrays_of,
    call_arguments,
    construct,
    has_mode,
    signature_of,
    with_arrays,
)
from .recurrent import EQUINOX_ATTENTION, EQUINOX_CELLS
from .units import Leaf

CELLS = EQUINOX_CELLS | EQUINOX_ATTENTION
STATISTICS = ("running_mean", "running_var")
STATE_NAMES = ("state", "bn_state", "batch_state")
# So many updates that Equinox corrects no bias of its averages any more.
LONG_AGO = 1_000_000


class Equinox:
    """An Equinox module. One written for single examples is mapped over the batch."""

    library = "equinox"

    def __init__(self, model: Any, arguments: Any, inputs: Any, notes: list[str]) -> None:
        self.module, self.state = eqx.nn.make_with_state(
            lambda: self._construct(model, arguments)
        )()
        self.norms = dict(_norms(self.module))
        self.dynamic, self.static = eqx.partition(self.module, eqx.is_inexact_array)
        pairs, self.structure = jax.tree_util.tree_flatten_with_path(self.dynamic)
        self.steps = {_joined(path): path for path, _ in pairs}
        self.flat = {_joined(path): leaf for path, leaf in pairs}
        self.own = list(self.flat)
        self.flat.update(self._statistics(self.state))
        self.dtypes = {name: leaf.dtype.name for name, leaf in self.flat.items()}
        self.has_mode = has_mode(signature_of(type(self.module).__call__)) or _has_inference(
            self.module
        )
        self.batched = False
        if not self._takes(inputs):
            self.batched = True
            if self._takes(inputs):
                notes.append("Model is written for one example; it was mapped over the batch.")
            else:
                self.batched = False

    @staticmethod
    def _construct(model: Any, arguments: Any) -> Any:
        if isinstance(model, eqx.Module):
            return model
        names = signature_of(model)
        keywords = {name: jax.random.PRNGKey(0) for name in KEY_NAMES if name in names}
        return construct(model, arguments, keywords)

    def _takes(self, inputs: Any) -> bool:
        try:
            jax.eval_shape(
                lambda a: self.run(self.flat, with_arrays(inputs, a), False)[0], arrays_of(inputs)
            )
        except Exception:
            return False
        return True

    def leaves(self) -> list[Leaf]:
        found = [
            self._leaf(name, path, place) for place, (name, path) in enumerate(self.steps.items())
        ]
        return [*found, *self._statistic_leaves(len(found))]

    def _statistic_leaves(self, first: int) -> list[Leaf]:
        """Running statistics, which Equinox keeps apart from the module."""
        return [
            Leaf(
                path=f"{owner}.{name}",
                parts=(*owner.split("."), name),
                shape=tuple(self.flat[f"{owner}.{name}"].shape),
                order=first + place,
                library=self.library,
                layer_types=("BatchNorm",),
                library_layer=True,
                statistic=True,
            )
            for place, owner in enumerate(self.norms)
            for name in STATISTICS
        ]

    def _statistics(self, state: Any) -> Values:
        return {
            f"{owner}.{name}": value
            for owner, norm in self.norms.items()
            for name, value in zip(STATISTICS, state.get(_index(norm)), strict=True)
        }

    def _with_statistics(self, values: Values) -> Any:
        """The state with these running statistics, as after many updates."""
        # A state may be written only once: take a fresh one.
        state = jax.tree_util.tree_map(lambda each: each, self.state)
        for owner, norm in self.norms.items():
            state = state.set(_index(norm), tuple(values[f"{owner}.{n}"] for n in STATISTICS))
            if norm.batch_counter is not None:
                state = state.set(norm.batch_counter, jax.numpy.asarray(LONG_AGO))
            if norm.ema_first_time_index is not None:
                state = state.set(norm.ema_first_time_index, jax.numpy.asarray(False))
        return state

    def _leaf(self, name: str, path: tuple[Any, ...], place: int) -> Leaf:
        owners = [_follow(self.module, path[:n]) for n in range(len(path))]
        owner = owners[-1]
        types = tuple(each.__name__ for each in type(owner).__mro__)
        own = not type(owner).__module__.startswith("equinox.")
        config: dict[str, Any] = {"groups": getattr(owner, "groups", 1)}
        for depth in range(len(owners) - 1, -1, -1):
            names = {each.__name__ for each in type(owners[depth]).__mro__}
            if names & CELLS and type(owners[depth]).__module__.startswith("equinox."):
                config |= {"cell": tuple(_text(s) for s in path[:depth]), "cell_types": names}
                break
        return Leaf(
            path=name,
            parts=tuple(_text(step) for step in path),
            shape=tuple(self.flat[name].shape),
            order=place,
            library=self.library,
            layer_types=types,
            library_layer=not own,
            config=config,
        )

    def initial(self) -> Values:
        return dict(self.flat)

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        known = {**self.flat, **values}
        dynamic = jax.tree_util.tree_unflatten(self.structure, [known[name] for name in self.own])
        module = eqx.nn.inference_mode(eqx.combine(dynamic, self.static), not train)
        module = _without_dropout(module)
        parameters = signature_of(type(module).__call__)
        state = next((name for name in STATE_NAMES if name in parameters), None)
        if state is None:
            return self._call(module, inputs, train, {}), {}
        output = self._call(module, inputs, train, {state: self._with_statistics(known)})
        given, after = _apart(output)
        return given, {} if after is None else self._statistics(after)

    def _call(self, module: Any, inputs: Any, train: bool, state: dict[str, Any]) -> Any:
        """The module on the whole batch, or mapped over it."""
        args, keywords = call_arguments(type(module).__call__, inputs, train, skip=1)
        keywords = {**keywords, **state}
        if not self.batched:
            return module(*args, **keywords)
        axis = next((norm.axis_name for norm in self.norms.values()), "batch")
        out = (0, None) if state else 0
        if not args:
            named = {name: keywords.pop(name) for name in inputs}
            return jax.vmap(lambda each: module(**{**keywords, **each}), 0, out, axis)(named)
        axes = tuple(0 if isinstance(each, jax.Array) and each.ndim else None for each in args)
        return jax.vmap(lambda *each: module(*each, **keywords), axes, out, axis)(*args)


def _norms(module: Any) -> list[tuple[str, eqx.nn.BatchNorm]]:
    """The batch norms of a module by their path."""

    def is_norm(value: Any) -> bool:
        return isinstance(value, eqx.nn.BatchNorm)

    pairs, _ = jax.tree_util.tree_flatten_with_path(module, is_leaf=is_norm)
    return [(_joined(path), each) for path, each in pairs if is_norm(each)]


def _index(norm: eqx.nn.BatchNorm) -> Any:
    return norm.ema_state_index if norm.batch_state_index is None else norm.batch_state_index


def _without_dropout(module: Any) -> Any:
    """Dropout hands its input through, in every mode."""

    def is_dropout(value: Any) -> bool:
        return isinstance(value, eqx.nn.Dropout)

    return jax.tree_util.tree_map(
        lambda each: eqx.nn.inference_mode(each, True) if is_dropout(each) else each,
        module,
        is_leaf=is_dropout,
    )


def _apart(output: Any) -> tuple[Any, Any]:
    """The output proper, and the state that came with it."""
    if not isinstance(output, tuple):
        return output, None
    states = [each for each in output if isinstance(each, eqx.nn.State)]
    rest = tuple(each for each in output if not isinstance(each, eqx.nn.State))
    if not states:
        return output, None
    return (rest[0] if len(rest) == 1 else rest), states[0]


def _has_inference(module: Any) -> bool:
    found = jax.tree_util.tree_leaves(module, is_leaf=lambda x: hasattr(x, "inference"))
    return any(hasattr(each, "inference") for each in found)


def _follow(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if hasattr(step, "name"):
            value = getattr(value, step.name)
        elif hasattr(step, "idx"):
            value = value[step.idx]
        else:
            value = value[step.key]
    return value


def _text(step: Any) -> str:
    for name in ("name", "idx", "key"):
        if hasattr(step, name):
            return str(getattr(step, name))
    return str(step)


def _joined(path: tuple[Any, ...]) -> str:
    return ".".join(_text(step) for step in path)
