"""Find the candidate's model and the library it is written in."""

from __future__ import annotations

import contextlib
import inspect
import sys
from typing import Any

from .adapter import Adapter, NoModel
from .adapter_plain import Plain, from_functions, keys_for, object_with_parameters
from .jax_values import construct

READY_NAMES = ("model", "net", "network", "forward", "forward_fn", "model_fn", "transformed")
FACTORIES = ("create_model", "make_model", "build_model", "get_model")


def find(module: Any, arguments: Any, inputs: Any, notes: list[str]) -> Adapter:
    """The adapter of the candidate's model, constructed with the reference's arguments.

    Where the constructor refuses them, the candidate's own get_init_inputs() is tried; the first
    error is raised when that fails too. Raises NoModel when there is nothing to construct.
    """
    model = _model_of(module, arguments)
    if model is None:
        return from_functions(vars(module), arguments, inputs)
    try:
        return adapt(model, arguments, inputs, notes)
    except Exception as error:
        own = _own_arguments(module)
        if own is None or isinstance(error, NoModel):
            raise
        try:
            found = adapt(model, own, inputs, notes)
        except Exception:
            raise error from None
        notes.append("Model takes other arguments than the reference's; its own were used.")
        return found


def shapes(module: Any, arguments: Any, inputs: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the model's parameters under other arguments, as far as they are made.

    The inputs do not fit those sizes; what a linen module makes before that shows, counts.
    """
    model = _model_of(module, arguments)
    noted: dict[str, tuple[int, ...]] = {}
    with contextlib.suppress(Exception), contextlib.ExitStack() as stack:
        if library_of(model) == "linen":
            from .adapter_linen import noted_parameters

            stack.enter_context(noted_parameters(noted))
        if model is None:
            found: Adapter = from_functions(vars(module), arguments, inputs)
        else:
            found = adapt(model, arguments, inputs, [])
        return {leaf.path: leaf.shape for leaf in found.leaves()}
    return noted


def _own_arguments(module: Any) -> Any:
    function = getattr(module, "get_init_inputs", None)
    return function() if callable(function) else None


def adapt(model: Any, arguments: Any, inputs: Any, notes: list[str]) -> Adapter:
    """The adapter for one model class (or object, or function)."""
    library = library_of(model)
    if library == "linen":
        from .adapter_linen import Linen

        return Linen(model, arguments, inputs)
    if library == "nnx":
        from .adapter_nnx import Nnx

        return Nnx(model, arguments)
    if library == "equinox":
        from .adapter_equinox import Equinox

        return Equinox(model, arguments, inputs, notes)
    if library == "haiku":
        from .adapter_haiku import Haiku

        return Haiku(model, arguments, inputs)
    if inspect.isclass(model):
        found = object_with_parameters(model, arguments, inputs)
        if found is not None:
            return found
    return Plain(model, arguments)


def library_of(value: Any) -> str:
    """The library a model class, model object or transformed function belongs to, or ""."""
    bases = (
        ("linen", "flax.linen", "Module"),
        ("nnx", "flax.nnx", "Module"),
        ("equinox", "equinox", "Module"),
        ("haiku", "haiku", "Module"),
        ("haiku", "haiku", "Transformed"),
        ("haiku", "haiku", "TransformedWithState"),
    )
    for name, module, base in bases:
        loaded = sys.modules.get(module)
        kind = getattr(loaded, base, None) if loaded is not None else None
        if kind is not None and _is(value, kind):
            return name
    return ""


def _model_of(module: Any, arguments: Any) -> Any:
    """`Model`, else a model that stands ready, a factory's, or the last class of a library."""
    found = getattr(module, "Model", None) or _ready_made(module)
    if found is not None:
        return found
    own = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and each.__module__ == module.__name__ and library_of(each)
    ]
    factory = next((getattr(module, name) for name in FACTORIES if hasattr(module, name)), None)
    if callable(factory):
        made = construct(factory, arguments, keys_for(factory))
        return made if library_of(made) else None
    return own[-1] if own else None


def _ready_made(module: Any) -> Any:
    """A model object or transformed function that stands at module level."""
    for name in READY_NAMES:
        value = getattr(module, name, None)
        if value is not None and not inspect.isclass(value) and library_of(value):
            return value
    return None


def _is(model: Any, base: type) -> bool:
    return (inspect.isclass(model) and issubclass(model, base)) or isinstance(model, base)
