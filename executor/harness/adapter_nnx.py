"""Flax nnx modules."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from .adapter import Values
from .jax_values import call_arguments, construct, signature_of
from .recurrent import FLAX_ATTENTION, GRU_CELLS, LSTM_CELLS, SIMPLE_CELLS
from .units import Leaf

CELLS = LSTM_CELLS | GRU_CELLS | SIMPLE_CELLS | FLAX_ATTENTION
NOTED = ("transpose_kernel", "feature_group_count", "use_bias", "kernel_size", "strides")
KEYS = ("rngs", "rng")
STATISTICS = ("BatchStat",)


class Nnx:
    """An nnx module, split into its graph and its state; statistics are its BatchStat."""

    library = "nnx"
    has_mode = True

    def __init__(self, model: Any, arguments: Any) -> None:
        self.module = model if isinstance(model, nnx.Module) else self._construct(model, arguments)
        self.graph, self.state = nnx.split(self.module)
        self.flat = dict(nnx.to_flat_state(self.state))
        self.layers = {tuple(path): layer for path, layer in nnx.iter_modules(self.module) if path}
        self.places = {path: place for place, path in enumerate(_definition_order(self.module))}
        self.paths = {_joined(path): path for path in self.flat if _is_array(self.flat[path])}
        self.dtypes = {
            name: value_of(self.flat[path]).dtype.name for name, path in self.paths.items()
        }

    @staticmethod
    def _construct(model: Any, arguments: Any) -> Any:
        # The class itself shows only (*args, **kwargs): its metaclass hides the constructor.
        names = signature_of(model.__init__)
        keywords = {name: nnx.Rngs(0) for name in KEYS if name in names}
        return construct(model, arguments, keywords)

    def leaves(self) -> list[Leaf]:
        found = [self._leaf(name, path) for name, path in self.paths.items()]
        return sorted(found, key=lambda leaf: leaf.order)

    def _leaf(self, name: str, path: tuple[Any, ...]) -> Leaf:
        variable = self.flat[path]
        owner = self.layers.get(path[:-1])
        own = owner is not None and not type(owner).__module__.startswith("flax.")
        config = {n: getattr(owner, n) for n in NOTED if hasattr(owner, n)}
        cell = next((path[:n] for n in range(len(path), 0, -1) if self._is_cell(path[:n])), None)
        if cell is not None:
            own_name = tuple(str(part) for part in cell)
            config.update(cell=own_name, cell_types=_types(self.layers[cell]))
        value = value_of(variable)
        return Leaf(
            path=name,
            parts=tuple(str(part) for part in path),
            shape=tuple(value.shape),
            order=min(
                (self.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.places),
                default=len(self.places),
            ),
            library=self.library,
            layer_types=() if owner is None else _types(owner),
            library_layer=owner is not None and not own,
            config=config,
            statistic=type(variable).__name__ in STATISTICS,
            fillable=value.dtype.kind not in "iub",
        )

    def _is_cell(self, path: tuple[Any, ...]) -> bool:
        layer = self.layers.get(path)
        return (
            layer is not None
            and type(layer).__module__.startswith("flax.")
            and bool(CELLS & set(_types(layer)))
        )

    def initial(self) -> Values:
        return {name: value_of(self.flat[path]) for name, path in self.paths.items()}

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        flat = {
            path: replaced(variable, values.get(_joined(path), value_of(variable)))
            for path, variable in self.flat.items()
        }
        module = nnx.merge(self.graph, nnx.from_flat_state(flat))
        if train:
            module.train()
        else:
            module.eval()
        for _, layer in nnx.iter_modules(module):
            if isinstance(layer, nnx.Dropout):
                layer.deterministic = True
        args, keywords = call_arguments(module.__call__, inputs, train)
        if "rngs" in signature_of(module.__call__) and "rngs" not in keywords:
            keywords["rngs"] = nnx.Rngs(0)
        output = module(*args, **keywords)
        after = dict(nnx.to_flat_state(nnx.state(module)))
        changed = {
            name: value_of(after[path])
            for name, path in self.paths.items()
            if type(self.flat[path]).__name__ in STATISTICS
        }
        return output, changed


def _joined(path: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in path)


def value_of(variable: Any) -> Any:
    """The array of a variable; nnx also keeps bare arrays in its state."""
    return variable.get_value() if isinstance(variable, nnx.Variable) else variable


def replaced(variable: Any, value: Any) -> Any:
    return variable.replace(value) if isinstance(variable, nnx.Variable) else value


def _is_array(variable: Any) -> bool:
    value = value_of(variable)
    return isinstance(value, jax.Array) and not jax.dtypes.issubdtype(
        value.dtype, jax.dtypes.prng_key
    )


def _types(layer: Any) -> tuple[str, ...]:
    """Class names; nnx's general linear layers count as Dense."""
    names = tuple(each.__name__ for each in type(layer).__mro__)
    return (*names, "Dense") if "LinearGeneral" in names else names


def _definition_order(module: Any) -> list[tuple[Any, ...]]:
    """Paths of attributes and list items, in the order in which they were set."""
    found: list[tuple[Any, ...]] = []

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        if path:
            found.append(path)
        if isinstance(value, nnx.Variable) or len(path) > 12:
            return
        if isinstance(value, nnx.Module):
            children = [(k, v) for k, v in vars(value).items() if not k.startswith("_")]
        elif isinstance(value, list | tuple):
            children = list(enumerate(value))
        elif isinstance(value, dict):
            children = list(value.items())
        else:
            return
        for name, each in children:
            walk(each, (*path, name))

    walk(module, ())
    return found
