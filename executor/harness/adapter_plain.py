"""Plain Python models: objects that hold arrays, or functions that take a parameter tree."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .adapter import NoModel, Values
from .jax_values import (
    KEY_NAMES,
    arrays_of,
    call_arguments,
    construct,
    has_mode,
    signature_of,
    with_arrays,
)
from .units import Leaf

CALLS = ("__call__", "forward", "apply", "predict", "call")
INITIALISERS = (
    "init",
    "init_params",
    "init_parameters",
    "initialize",
    "initialize_params",
    "init_weights",
    "create_params",
    "get_params",
    "initialise",
    "make_params",
    "init_model",
    "init_network_params",
    "init_fn",
    "init_fun",
)
PARAMETER_NAMES = ("params", "parameters", "weights", "variables", "param", "p", "state", "theta")
FUNCTIONS = (
    "forward",
    "model",
    "apply",
    "predict",
    "net",
    "apply_fn",
    "apply_fun",
    "model_forward",
    "forward_fn",
    "fn",
    "model_fn",
    "call",
)
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where an array lives: a path of attribute names, keys and indices from the root."""

    path: tuple[tuple[str, Any], ...]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(str(key) for _, key in self.path)


class Plain:
    """An object whose arrays are its parameters, called directly."""

    library = "plain"

    def __init__(self, model: Any, arguments: Any) -> None:
        self.object = construct(model, arguments, keys_for(model)) if callable(model) else model
        self.call = _method(self.object, CALLS)
        if self.call is None:
            raise NoModel("Model has no __call__ or forward.")
        self.slots = {".".join(s.parts): s for s in find_arrays(self.object)}
        parameters = signature_of(self.call)
        self.has_mode = has_mode(parameters) or _has_switch(self.object)
        self.dtypes = {path: _read(self.object, s).dtype.name for path, s in self.slots.items()}

    def leaves(self) -> list[Leaf]:
        return tree_leaves({path: _read(self.object, s) for path, s in self.slots.items()}, "")

    def initial(self) -> Values:
        return {path: _read(self.object, slot) for path, slot in self.slots.items()}

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        kept = self.initial()
        _switch(self.object, train)
        try:
            for path, value in values.items():
                _write(self.object, self.slots[path], value)
            args, keywords = call_arguments(self.call, inputs, train)
            output = self.call(*args, **keywords)
            return output, {p: _read(self.object, self.slots[p]) for p in values}
        finally:
            for path, value in kept.items():
                _write(self.object, self.slots[path], value)


class Functional:
    """A parameter tree and a function of it: `apply(params, x)`."""

    library = "functional"

    def __init__(self, apply: Any, parameters: Any, inputs: Any = None) -> None:
        self.apply = apply
        self.flat, self.rebuild = flatten_tree(parameters)
        self.has_mode = has_mode(signature_of(apply))
        self.dtypes = {path: leaf.dtype.name for path, leaf in self.flat.items()}
        self.layers = {} if inputs is None else library_layers(self, inputs)

    def leaves(self) -> list[Leaf]:
        found = tree_leaves(self.flat, "")
        return [
            self.layers[leaf.path](leaf) if leaf.path in self.layers else leaf for leaf in found
        ]

    def initial(self) -> Values:
        return dict(self.flat)

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        args, keywords = call_arguments(self.apply, inputs, train, skip=1)
        return self.apply(self.rebuild(values), *args, **keywords), {}


def library_layers(model: Functional, inputs: Any) -> dict[str, Callable[[Leaf], Leaf]]:
    """Path -> how its leaf is told of the Haiku or linen layer that the function calls."""
    linen: dict[tuple[str, ...], dict[str, Any]] = {}
    haiku: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack, contextlib.suppress(Exception):
        if "flax.linen" in sys.modules:
            from . import adapter_linen

            stack.enter_context(adapter_linen.noted(linen))
        if "haiku" in sys.modules:
            from . import adapter_haiku

            stack.enter_context(adapter_haiku.noted(haiku))
        jax.eval_shape(
            lambda arrays: model.run(model.flat, with_arrays(inputs, arrays), False)[0],
            arrays_of(inputs),
        )
    found: dict[str, Callable[[Leaf], Leaf]] = {}
    for path in model.flat:
        *parents, _ = [part for part in path.split(".") if part != "params"]
        if parents and parents[-1] in haiku:
            owner = haiku[parents[-1]]
            parts = adapter_haiku.telling_parts(parents[-1], owner, root="/" in parents[-1])
            found[path] = partial(_of_layer, owner=owner, library="haiku", parts=parts)
        elif tuple(parents) in linen:
            owner = linen[tuple(parents)]
            found[path] = partial(_of_layer, owner=owner, library="linen", parts=tuple(parents))
    return found


def _of_layer(leaf: Leaf, owner: Mapping[str, Any], library: str, parts: tuple[str, ...]) -> Leaf:
    return replace(
        leaf,
        parts=(*parts, leaf.name),
        order=int(owner["order"]),
        library=library,
        layer_types=owner["types"],
        library_layer=not owner["own"],
        config=owner.get("config", {}),
    )


def object_with_parameters(model: Any, arguments: Any, inputs: Any) -> Functional | None:
    """A class whose call takes the parameters first and that has a function to make them."""
    made = construct(model, arguments, keys_for(model))
    call = _method(made, CALLS)
    if call is None or not takes_parameters(call):
        return None
    initialise = _method(made, INITIALISERS)
    if initialise is None:
        kept = getattr(made, "params", None)
        return None if kept is None else Functional(call, kept, inputs)
    return Functional(call, make_parameters(initialise, arguments, inputs), inputs)


def from_functions(namespace: Mapping[str, Any], arguments: Any, inputs: Any) -> Functional | Plain:
    """Module-level functions: one that makes parameters, one that takes them first."""
    forward = next((namespace[n] for n in FUNCTIONS if inspect.isfunction(namespace.get(n))), None)
    if forward is None:
        raise NoModel("The candidate defines neither Model nor a forward function.")
    if not takes_parameters(forward):
        return Functional(lambda _p, *a, **k: forward(*a, **k), {})
    initialise = next((namespace[n] for n in INITIALISERS if callable(namespace.get(n))), None)
    if initialise is None:
        initialise = next(
            (f for n, f in namespace.items() if n.startswith("init") and inspect.isfunction(f)),
            None,
        )
    if initialise is not None:
        return Functional(forward, make_parameters(initialise, arguments, inputs), inputs)
    for name in PARAMETER_NAMES:
        if isinstance(namespace.get(name), dict | list | tuple):
            return Functional(forward, namespace[name], inputs)
    raise NoModel("The candidate has no function that makes its parameters (init_params).")


def takes_parameters(function: Any) -> bool:
    """Whether a function's first parameter is a parameter tree."""
    names = list(signature_of(function))
    return bool(names) and names[0] in PARAMETER_NAMES


def make_parameters(initialise: Any, arguments: Any, inputs: Any) -> Any:
    """Call an initialiser with a key and whatever of arguments and inputs it takes."""
    key = jax.random.PRNGKey(0)
    given = list(arguments) if isinstance(arguments, list | tuple) else []
    data = list(inputs) if isinstance(inputs, list | tuple) else []
    parameters = signature_of(initialise)
    required = [
        p
        for p in parameters.values()
        if p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.VAR_POSITIONAL
    ]
    wants_key = any(name in KEY_NAMES for name in parameters)
    tries: list[list[Any]] = [[key, *given], [key], [key, *data], [*given, key], given, []]
    if not wants_key:
        tries = [given, [], [key], [key, *given], data]
    tries.sort(key=lambda each: abs(len(each) - len(required)))
    shapes = [tuple(each.shape) for each in data if hasattr(each, "shape")]
    # Initialisers in the manner of stax take a shape, and give the output's beside the parameters.
    return _without_shape(_first_that_runs(initialise, [*tries, [key, *shapes[:1]]]))


def _without_shape(made: Any) -> Any:
    pair = isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], tuple)
    sizes = pair and made[0] and all(isinstance(each, int) for each in made[0])
    return made[1] if sizes else made


def _first_that_runs(function: Any, tries: list[list[Any]]) -> Any:
    first: Exception | None = None
    for arguments in tries:
        try:
            return function(*arguments)
        except Exception as error:
            first = first or error
    raise first if first is not None else NoModel("No initialiser ran.")


def keys_for(function: Any) -> dict[str, Any]:
    """Random keys a constructor requires by name."""
    found: dict[str, Any] = {}
    for name, parameter in signature_of(function).items():
        if name == "seed" and parameter.default is inspect.Parameter.empty:
            found[name] = 0
        if name in KEY_NAMES and parameter.default in (inspect.Parameter.empty, None):
            found[name] = jax.random.PRNGKey(0)
    return found


def find_arrays(root: Any) -> list[_Slot]:
    """Every floating array reachable from an object through attributes and containers."""
    found: list[_Slot] = []
    seen: set[int] = set()

    def walk(value: Any, path: tuple[tuple[str, Any], ...], depth: int) -> None:
        if _is_array(value):
            if path and jnp.issubdtype(value.dtype, jnp.inexact):
                found.append(_Slot(path))
            return
        if depth > MAX_DEPTH or id(value) in seen:
            return
        seen.add(id(value))
        for step, each in _children(value):
            walk(each, (*path, step), depth + 1)

    walk(root, (), 0)
    return found


def _children(value: Any) -> list[tuple[tuple[str, Any], Any]]:
    if isinstance(value, Mapping):
        return [(("item", key), each) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [(("item", place), each) for place, each in enumerate(value)]
    if type(value).__module__ == "candidate" and hasattr(value, "__dict__"):
        return [(("attribute", name), each) for name, each in vars(value).items()]
    return []


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)


def _read(root: Any, slot: _Slot) -> Any:
    for kind, key in slot.path:
        root = getattr(root, key) if kind == "attribute" else root[key]
    return root


def _write(root: Any, slot: _Slot, value: Any) -> None:
    """Put an array in its place; tuples on the way are made anew."""
    *parents, (kind, key) = slot.path
    owner = _read(root, _Slot(tuple(parents)))
    if kind == "attribute":
        object.__setattr__(owner, key, value)
    elif isinstance(owner, tuple):
        items = [value if place == key else each for place, each in enumerate(owner)]
        made = type(owner)(*items) if hasattr(owner, "_fields") else tuple(items)
        _write(root, _Slot(tuple(parents)), made)
    else:
        owner[key] = value


def _method(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        if name == "__call__" and not callable(value):
            continue
        found = getattr(value, name, None)
        if callable(found):
            return found
    return None


def _has_switch(value: Any) -> bool:
    return isinstance(getattr(value, "training", None), bool) or (
        callable(getattr(value, "train", None)) and callable(getattr(value, "eval", None))
    )


def _switch(value: Any, train: bool) -> None:
    """Put an object that knows train and eval into that mode."""
    if isinstance(getattr(value, "training", None), bool):
        value.training = train
    method = getattr(value, "train" if train else "eval", None)
    if callable(method) and callable(getattr(value, "eval", None)):
        method()


def flatten_tree(tree: Any) -> tuple[dict[str, Any], Any]:
    """A pytree's floating arrays by path, and a function that puts others in their place."""
    pairs, structure = jax.tree_util.tree_flatten_with_path(tree)
    paths = [".".join(_key(step) for step in path) or "params" for path, _ in pairs]
    leaves = [leaf for _, leaf in pairs]
    floating = {
        path: jnp.asarray(leaf)
        for path, leaf in zip(paths, leaves, strict=True)
        if _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact)
    }

    def rebuild(values: Mapping[str, Any]) -> Any:
        filled = [values.get(p, leaf) for p, leaf in zip(paths, leaves, strict=True)]
        return jax.tree_util.tree_unflatten(structure, filled)

    return floating, rebuild


def _key(step: Any) -> str:
    for name in ("key", "name", "idx"):
        if hasattr(step, name):
            return str(getattr(step, name))
    return str(step)


def tree_leaves(flat: Mapping[str, Any], library: str) -> list[Leaf]:
    """Leaves of a plain tree, in definition order."""
    return [
        Leaf(
            path=path,
            parts=_meaningful(path.split(".")),
            shape=tuple(value.shape),
            order=place,
            library=library,
        )
        for place, (path, value) in enumerate(flat.items())
    ]


def _meaningful(parts: list[str]) -> tuple[str, ...]:
    """The path without containers that every parameter shares (`params`)."""
    kept = [part for part in parts if part not in ("params", "variables")]
    return tuple(kept or parts)
