"""Both sides' parameters grouped into layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .naming import is_automatic, role_of, split_leaf, stem_tokens

LINEAR = {"Linear", "NonDynamicallyQuantizableLinear", "LazyLinear"}
CONV = {"Conv1d", "Conv2d", "Conv3d"}
CONV_TRANSPOSE = {"ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"}
NORM = {"_NormBase", "LayerNorm", "GroupNorm", "RMSNorm"}
EMBEDDING = {"Embedding", "EmbeddingBag"}
RECURRENT = {"LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"}
ATTENTION = {"MultiheadAttention"}
# What weight_norm and spectral_norm make of a weight: its direction, and its length.
DIRECTIONS = ("weight_v", "weight_orig", "weight.original1", "weight.original")
SPREAD = 10_000
LENGTHS = ("weight_g", "weight.original0")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A parameter or buffer of the reference."""

    name: str
    shape: tuple[int, ...]
    kind: str = "raw"
    role: str = ""
    statistic: bool = False
    required: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter of the candidate. `order` is its layer's place in call (or else definition)."""

    path: str
    parts: tuple[str, ...]
    shape: tuple[int, ...]
    order: int
    library: str = ""
    layer_types: tuple[str, ...] = ()
    library_layer: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    statistic: bool = False
    fillable: bool = True

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(slots=True)
class Unit:
    """A layer of either side: its path, its tensors or leaves, its place."""

    parts: tuple[str, ...]
    order: int
    tensors: list[Tensor] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    kind: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def joined(self) -> str:
        return "".join(c for part in self.parts for c in part.lower() if c.isalnum())

    @property
    def tokens(self) -> tuple[str, ...]:
        return stem_tokens(self.parts)

    @property
    def automatic(self) -> bool:
        return any(is_automatic(part) for part in self.parts)


def kind_of(types: Sequence[str]) -> str:
    """The kind of a reference layer, by the names of its classes."""
    for kind, names in (
        ("linear", LINEAR),
        ("conv", CONV),
        ("conv_transpose", CONV_TRANSPOSE),
        ("norm", NORM),
        ("embedding", EMBEDDING),
        ("recurrent", RECURRENT),
        ("attention", ATTENTION),
    ):
        if any(each in names for each in types):
            return kind
    return "raw"


def reference_units(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[Unit]:
    """Layers of the reference; parameters of custom modules form one unit per name stem."""
    calls = {path: place for place, path in enumerate(description["calls"])}
    units: list[Unit] = []
    for place, module in enumerate(description["modules"]):
        path = str(module["path"])
        order = _order(path, place, calls)
        prefix = f"{path}." if path else ""
        owned = [
            tensors[prefix + name]
            for name in [*module["parameters"], *module["buffers"]]
            if prefix + name in tensors
        ]
        kind = kind_of(module["types"])
        parts = tuple(path.split(".")) if path else ()
        if kind != "raw":
            lengths = [tensor for tensor in owned if tensor.name.endswith(LENGTHS)]
            rest = [tensor for tensor in owned if tensor not in lengths]
            units.append(Unit(parts, order, rest, kind=kind, config=module["config"]))
            units.append(Unit((*parts, "g"), order, lengths, kind="raw"))
            continue
        units += _raw_units(parts, order, owned)
    return [unit for unit in units if unit.tensors]


def _order(path: str, place: int, calls: Mapping[str, int]) -> int:
    """A layer's place among the calls; one used without a call of its own follows its owner."""
    for owner in (path, path.rpartition(".")[0]):
        if owner in calls:
            return calls[owner] * SPREAD + (0 if owner == path else 1 + place)
    return (len(calls) + place) * SPREAD


def _raw_units(parts: tuple[str, ...], order: int, owned: Sequence[Tensor]) -> list[Unit]:
    grouped: dict[str, Unit] = {}
    for tensor in owned:
        stem = split_leaf(tensor.name.rsplit(".", 1)[-1])[0]
        own = (*parts, stem) if stem else parts
        grouped.setdefault(stem, Unit(own, order, kind="raw")).tensors.append(tensor)
    return list(grouped.values())


def candidate_units(leaves: Sequence[Leaf]) -> list[Unit]:
    """Layers of the candidate: parameters with one parent and one name stem."""
    grouped: dict[tuple[str, ...], Unit] = {}
    numbered = _layers_as_tuples(leaves)
    for leaf in leaves:
        if not leaf.fillable:
            continue
        whole = leaf.library_layer or leaf.parts[:-1] in numbered
        stem = "" if whole else split_leaf(leaf.name)[0]
        own = (*leaf.parts[:-1], stem) if stem else leaf.parts[:-1]
        unit = grouped.setdefault(own, Unit(own, leaf.order))
        unit.leaves.append(leaf)
    return list(grouped.values())


def _layers_as_tuples(leaves: Sequence[Leaf]) -> set[tuple[str, ...]]:
    """Parents of nothing but (weight, bias) pairs."""
    found: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in leaves:
        found.setdefault(leaf.parts[:-1], []).append(leaf)
    return {
        parent
        for parent, members in found.items()
        if parent
        and [leaf.name for leaf in members] == ["0", "1"]
        and len(members[0].shape) > len(members[1].shape)
    }


def reference_tensors(
    description: Mapping[str, Any],
    parameters: Mapping[str, tuple[int, ...]],
    buffers: Mapping[str, tuple[int, ...]],
    attributes: Mapping[str, tuple[int, ...]],
) -> dict[str, Tensor]:
    """Every tensor that can be carried over, with its kind and role."""
    found: dict[str, Tensor] = {}
    for module in description["modules"]:
        prefix = f"{module['path']}." if module["path"] else ""
        kind = kind_of(module["types"])
        for name in module["parameters"]:
            if prefix + name in parameters:
                shape = tuple(parameters[prefix + name])
                found[prefix + name] = Tensor(
                    prefix + name, shape, _tensor_kind(kind, name), _tensor_role(kind, name)
                )
        for name in module["buffers"]:
            if prefix + name in buffers and name != "num_batches_tracked":
                shape = tuple(buffers[prefix + name])
                running = kind == "norm" and name in ("running_mean", "running_var")
                found[prefix + name] = Tensor(
                    prefix + name, shape, "raw", role_of(name), running, required=running
                )
    for name, shape in attributes.items():
        found.setdefault(name, Tensor(name, tuple(shape), "raw", "", required=False))
    return found


def _tensor_kind(kind: str, name: str) -> str:
    if kind in ("linear", "conv", "conv_transpose", "embedding") and (
        name == "weight" or name.endswith(DIRECTIONS)
    ):
        return kind
    if kind in ("recurrent", "attention") and "weight" in name:
        return "linear"
    return "raw"


def _tensor_role(kind: str, name: str) -> str:
    if name.endswith((*DIRECTIONS, *LENGTHS)):
        return "weight" if name.endswith(DIRECTIONS) else ""
    stem, role = split_leaf(name)
    return role_of(role) if role else role_of(stem)
