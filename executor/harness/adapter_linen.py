"""Flax linen modules."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
from flax.core import scope, unfreeze

from .adapter import Values, patched
from .jax_values import (
    EVAL_FLAGS,
    TRAIN_FLAGS,
    call_arguments,
    construct,
    has_mode,
    mode_flags,
    signature_of,
)
from .recurrent import FLAX_ATTENTION, GRU_CELLS, LSTM_CELLS, SIMPLE_CELLS
from .units import Leaf

CELLS = LSTM_CELLS | GRU_CELLS | SIMPLE_CELLS | FLAX_ATTENTION
# Stands in a path for a slash in a name (WeightNorm makes such names).
SLASH = "|"
# Flax traces a function for each plain key to see whether it is one; older versions take no other.
_takes_lazy = getattr(scope, "_is_valid_rng", lambda _: False)(scope.LazyRng(None, ()))
_checked_at_once = scope.LazyRng.create if _takes_lazy else lambda key: key
NOTED = ("transpose_kernel", "feature_group_count", "use_bias", "kernel_size", "strides")


class Linen:
    """A linen module; statistics are every collection but `params`."""

    library = "linen"

    def __init__(self, model: Any, arguments: Any, inputs: Any) -> None:
        self.module = model if isinstance(model, nn.Module) else construct(model, arguments, {})
        self.inputs = inputs
        parameters = signature_of(self.module.__call__)
        fields = {each.name for each in dataclasses.fields(self.module)}
        self.flag_fields = [n for n in (*TRAIN_FLAGS, *EVAL_FLAGS) if n in fields]
        self.has_mode = has_mode(parameters) or bool(self.flag_fields)
        self.layers: dict[tuple[str, ...], dict[str, Any]] = {}
        self.shapes = self._shapes()
        self.dtypes = {path: leaf.dtype.name for path, leaf in self.shapes.items()}
        self.has_mode = self.has_mode or any(not path.startswith("params/") for path in self.shapes)

    def _rngs(self) -> dict[str, Any]:
        names = ("params", "dropout", "noise", "sample", "default", "rng", "latent", "z")
        return {name: _checked_at_once(jax.random.PRNGKey(i)) for i, name in enumerate(names)}

    def _in_mode(self, train: bool) -> Any:
        if not self.flag_fields:
            return self.module
        parameters = dict.fromkeys(self.flag_fields)
        return self.module.clone(**mode_flags(parameters, train))  # type: ignore[arg-type]

    def _initialise(self) -> Any:
        module = self._in_mode(False)
        args, keywords = call_arguments(module.__call__, self.inputs, False)
        return module.init(self._rngs(), *args, **keywords)

    def _shapes(self) -> dict[str, Any]:
        with noted(self.layers):
            try:
                tree = jax.eval_shape(self._initialise)
            except Exception:
                self.layers.clear()
                tree = self._initialise()
        return flatten(tree)

    def leaves(self) -> list[Leaf]:
        return [
            self._leaf(path, value, place)
            for place, (path, value) in enumerate(self.shapes.items())
        ]

    def _leaf(self, path: str, value: Any, place: int) -> Leaf:
        collection, *parts = path.split("/")
        owner = self.layers.get(tuple(parts[:-1]), {})
        cell = self._cell(tuple(parts[:-1]))
        config = dict(owner.get("config", {}))
        if cell is not None:
            config.update(cell=cell, cell_types=self.layers[cell]["types"])
        return Leaf(
            path=path,
            parts=tuple(parts),
            shape=tuple(value.shape),
            order=self._order(tuple(parts[:-1]), place),
            library=self.library,
            layer_types=owner.get("types", ()),
            library_layer=bool(owner) and not owner["own"],
            config=config,
            statistic=collection != "params",
            fillable=value.dtype.kind not in "iub" and collection in ("params", "batch_stats"),
        )

    def _cell(self, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """The recurrent cell or attention layer that owns a parameter, if one does."""
        for length in range(len(path), -1, -1):
            owner = self.layers.get(path[:length])
            if owner and not owner["own"] and CELLS & set(owner["types"]):
                return path[:length]
        return None

    def _order(self, path: tuple[str, ...], place: int) -> int:
        for length in range(len(path), -1, -1):
            owner = self.layers.get(path[:length])
            if owner and length:
                return int(owner["order"]) * 1000 + (place if length < len(path) else 0)
        return 1_000_000 + place

    def initial(self) -> Values:
        return flatten(self._initialise())

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        module = self._in_mode(train)
        args, keywords = call_arguments(module.__call__, inputs, train)
        variables = unflatten(values)
        collections = [name for name in variables if name != "params"]
        with nn.intercept_methods(_without_dropout):
            output, changed = module.apply(
                variables,
                *args,
                rngs={k: v for k, v in self._rngs().items() if k != "params"},
                mutable=[*collections, "intermediates"],
                **keywords,
            )
        state = {k: v for k, v in flatten(changed).items() if not k.startswith("intermediates")}
        return output, state


@contextlib.contextmanager
def noted(layers: dict[tuple[str, ...], dict[str, Any]]) -> Iterator[None]:
    """Remember layers in the order of their first call, with what fixes their layout."""

    def note(call: Any, args: Any, keywords: Any, context: Any) -> Any:
        path = tuple(context.module.path)
        if context.method_name == "__call__" and path not in layers:
            module = context.module
            layers[path] = {
                "types": tuple(each.__name__ for each in type(module).__mro__),
                "own": not type(module).__module__.startswith("flax."),
                "order": len(layers),
                "config": {n: getattr(module, n) for n in NOTED if hasattr(module, n)},
            }
        return call(*args, **keywords)

    with nn.intercept_methods(note):
        yield


@contextlib.contextmanager
def noted_parameters(shapes: dict[str, tuple[int, ...]]) -> Iterator[None]:
    """Remember the shape of every parameter that a module asks for itself."""
    original = nn.Module.param

    def param(self: Any, name: str, *args: Any, **keywords: Any) -> Any:
        made = original(self, name, *args, **keywords)
        path = "/".join(("params", *self.path, name.replace("/", SLASH)))
        shapes[path] = tuple(getattr(made, "shape", ()))
        return made

    with patched(nn.Module, "param", param):
        yield


def _without_dropout(call: Any, args: Any, keywords: Any, context: Any) -> Any:
    """Dropout hands its input through, in every mode."""
    if isinstance(context.module, nn.Dropout) and context.method_name == "__call__":
        return args[0] if args else keywords["inputs"]
    return call(*args, **keywords)


def flatten(tree: Any) -> dict[str, Any]:
    """Nested dicts as one dict of slash-joined paths; boxed values are unboxed."""
    from flax.core import meta

    found: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, each in value.items():
                name = str(key).replace("/", SLASH)
                walk(f"{prefix}/{name}" if prefix else name, each)
        else:
            for place, leaf in enumerate(jax.tree_util.tree_leaves(value)):
                found[prefix if place == 0 else f"{prefix}/{place}"] = leaf

    walk("", meta.unbox(unfreeze(tree)))
    return found


def unflatten(values: Values) -> dict[str, Any]:
    """Nested dicts of slash-joined paths."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = [part.replace(SLASH, "/") for part in path.split("/")]
        place = tree
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return tree
