"""Haiku modules and transformed functions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from .adapter import Values
from .jax_values import call_arguments, construct, has_mode, signature_of
from .recurrent import HAIKU_CELLS
from .units import Leaf

SEPARATOR = "::"
# So many updates that 1 - decay ** counter is 1.
LONG_AGO = 1_000_000
MOVING = re.compile(r"/(mean|var)_ema$")


class Haiku:
    """A haiku module class (transformed here) or an already transformed function."""

    library = "haiku"

    def __init__(self, model: Any, arguments: Any, inputs: Any) -> None:
        self.layers: dict[str, dict[str, Any]] = {}
        self.has_mode = False
        self.transformed = model if is_transformed(model) else self._transform(model, arguments)
        self.stateful = isinstance(self.transformed, hk.TransformedWithState)
        # without_apply_rng() leaves the key out.
        places = list(signature_of(self.transformed.apply))[:3]
        self.takes_key = "rng" in places[: 3 if self.stateful else 2]
        if is_transformed(model):
            self.has_mode = has_mode(signature_of(self.transformed.apply))
        with noted(self.layers):
            self.shapes = jax.eval_shape(lambda: self._flat_init(inputs))
        self.dtypes = {path: each.dtype.name for path, each in self.shapes.items()}
        self.inputs = inputs

    def _transform(self, model: Any, arguments: Any) -> Any:
        self.has_mode = has_mode(signature_of(model.__call__))

        def forward(inputs: Any, train: bool) -> Any:
            module = construct(model, arguments, {})
            args, keywords = call_arguments(module.__call__, inputs, train)
            return module(*args, **keywords)

        return hk.transform_with_state(forward)

    def _arguments(self, inputs: Any, train: bool) -> tuple[list[Any], dict[str, Any]]:
        names = list(signature_of(self.transformed.apply))
        if names[-2:] == ["inputs", "train"]:
            return [inputs, train], {}
        skip = (2 if self.stateful else 1) + self.takes_key
        return call_arguments(self.transformed.apply, inputs, train, skip=skip)

    def _flat_init(self, inputs: Any) -> Values:
        made = self._init(inputs, train=self.has_mode)
        parameters, state = made if self.stateful else (made, {})
        flat = {f"params{SEPARATOR}{m}{SEPARATOR}{n}": v for m, n, v in _triples(parameters)}
        flat.update({f"state{SEPARATOR}{m}{SEPARATOR}{n}": v for m, n, v in _triples(state)})
        return flat

    def _init(self, inputs: Any, train: bool) -> Any:
        """In train mode where there is one: only that makes the running statistics."""
        args, keywords = self._arguments(inputs, train)
        with _dropout_off():
            return self.transformed.init(jax.random.PRNGKey(0), *args, **keywords)

    def leaves(self) -> list[Leaf]:
        return [
            self._leaf(path, each, place) for place, (path, each) in enumerate(self.shapes.items())
        ]

    def _leaf(self, path: str, value: Any, place: int) -> Leaf:
        group, module, name = path.split(SEPARATOR)
        moving = MOVING.search(module)
        owner_name = re.sub(r"(/~)?/(mean|var)_ema$", "", module)
        owner = self.layers.get(owner_name, {})
        leaf_name = moving.group(1) if moving else name
        cell = self._cell(owner_name)
        return Leaf(
            path=path,
            parts=(*telling_parts(owner_name, owner, self._rooted()), leaf_name),
            shape=_without_ones(tuple(value.shape)) if moving else tuple(value.shape),
            order=int(owner.get("order", 10_000 + place)),
            library=self.library,
            layer_types=owner.get("types", ()),
            library_layer=bool(owner) and not owner["own"],
            config=cell,
            statistic=group == "state",
            fillable=value.dtype.kind not in "iub"
            and (group == "params" or (moving is not None and name == "average")),
        )

    def _rooted(self) -> bool:
        """Whether all parameters belong to one module of the person's."""
        roots = {path.split(SEPARATOR)[1].split("/")[0] for path in self.shapes}
        return len(roots) == 1 and bool(self.layers.get(min(roots), {}).get("own", True))

    def _cell(self, path: str) -> dict[str, Any]:
        """The recurrent core that owns a layer, if Haiku's own does."""
        parent = self.layers.get(path.rpartition("/")[0].removesuffix("/~"), {})
        if parent and not parent["own"] and HAIKU_CELLS & set(parent["types"]):
            return {"cell": tuple(path.split("/")[:-1]), "cell_types": parent["types"]}
        return {}

    def initial(self) -> Values:
        return self._flat_init(self.inputs)

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        trees: dict[str, dict[str, dict[str, Any]]] = {"params": {}, "state": {}}
        for path, value in values.items():
            group, module, name = path.split(SEPARATOR)
            shape = self.shapes[path].shape
            trees[group].setdefault(module, {})[name] = jnp.reshape(value, shape)
        _settle_averages(trees["state"])
        args, keywords = self._arguments(inputs, train)
        key = [jax.random.PRNGKey(0)] if self.takes_key else []
        with _dropout_off():
            if not self.stateful:
                return self.transformed.apply(trees["params"], *key, *args, **keywords), {}
            output, state = self.transformed.apply(
                trees["params"], trees["state"], *key, *args, **keywords
            )
        return output, {
            f"state{SEPARATOR}{m}{SEPARATOR}{n}": _as_leaf(m, v) for m, n, v in _triples(state)
        }


def _as_leaf(module: str, value: Any) -> Any:
    """A moving average without the axes that Haiku keeps for broadcasting."""
    return jnp.reshape(value, _without_ones(value.shape)) if MOVING.search(module) else value


def _settle_averages(state: dict[str, dict[str, Any]]) -> None:
    """Moving averages past their start, where Haiku corrects no bias any more."""
    for name, members in state.items():
        if re.search(r"/(mean|var)_ema$", name) and {"hidden", "average", "counter"} <= set(
            members
        ):
            members["hidden"] = members["average"]
            members["counter"] = jnp.asarray(LONG_AGO, members["counter"].dtype)


def is_transformed(value: Any) -> bool:
    return isinstance(value, hk.Transformed | hk.TransformedWithState)


def _triples(tree: Any) -> list[tuple[str, str, Any]]:
    return list(hk.data_structures.traverse(tree)) if tree else []


@contextlib.contextmanager
def noted(layers: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Remember layers by their path, in the order of their first call."""

    def note(call: Any, args: Any, keywords: Any, context: Any) -> Any:
        if context.method_name == "__call__":
            module = context.module
            layers.setdefault(
                module.module_name,
                {
                    "types": tuple(each.__name__ for each in type(module).__mro__),
                    "own": not type(module).__module__.startswith("haiku."),
                    "order": len(layers),
                },
            )
        return call(*args, **keywords)

    with hk.intercept_methods(note):
        yield


def telling_parts(path: str, owner: dict[str, Any], root: bool) -> tuple[str, ...]:
    """The path of a layer without the root module, names that Haiku made marked as such."""
    parts = [part for part in path.split("/") if part != "~"][1 if root else 0 :]
    return tuple(_marked(part, owner if last else {}) for part, last in _with_last(parts))


def _with_last(parts: list[str]) -> list[tuple[str, bool]]:
    return [(part, place == len(parts) - 1) for place, part in enumerate(parts)]


def _marked(part: str, owner: dict[str, Any]) -> str:
    """A name Haiku made itself (`linear_1`) in the form that says so (`Linear_1`)."""
    stem = re.sub(r"_\d+$", "", part)
    kinds = [_snake(each) for each in owner.get("types", ())]
    if stem in kinds:
        number = part.removeprefix(stem).strip("_") or "0"
        return f"{stem.title().replace('_', '')}_{number}"
    return part


def _snake(name: str) -> str:
    return re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", name).lower()


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(each for each in shape if each != 1) or (1,)


class _dropout_off:  # noqa: N801 - used as a with-statement's words
    """hk.dropout hands its input through."""

    def __enter__(self) -> None:
        self.kept = hk.dropout
        hk.dropout = lambda rng, rate, x, *_, **__: x

    def __exit__(self, *_: Any) -> None:
        hk.dropout = self.kept
