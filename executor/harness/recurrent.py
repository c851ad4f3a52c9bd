"""Layers whose tensors PyTorch packs and JAX libraries split: LSTM, GRU, RNN, attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import packed
from .naming import stem_tokens
from .recipe import recipe, simple
from .units import Leaf, Tensor, Unit

LSTM_GATES = {"i": 0, "f": 1, "g": 2, "o": 3}
GRU_GATES = {"r": 0, "z": 1, "n": 2}
LSTM_CELLS = {"LSTMCell", "OptimizedLSTMCell"}
GRU_CELLS = {"GRUCell"}
SIMPLE_CELLS = {"SimpleCell"}
EQUINOX_CELLS = {"LSTMCell", "GRUCell"}
HAIKU_CELLS = {"LSTM"}
# Haiku's order of gates, in PyTorch's numbers: i, g, f, o.
HAIKU_GATES = (0, 2, 1, 3)
EQUINOX_ATTENTION = {"MultiheadAttention"}
FLAX_ATTENTION = {"MultiHeadDotProductAttention", "MultiHeadAttention", "SelfAttention"}
TURN = ("transpose", (1, 0))


def match(  # noqa: PLR0917 - the parts of the bridge that it fills
    units: list[Unit],
    leaves: Sequence[Leaf],
    entries: dict[str, Any],
    open_ones: dict[str, list[Any]],
    used: set[str],
    entry: Callable[..., Any],
) -> list[Leaf]:
    """Fill the cells of JAX libraries from packed reference layers; the leaves left over."""
    groups = _cells(leaves)
    for unit in sorted(units, key=lambda each: each.order):
        if unit.kind not in ("recurrent", "attention"):
            continue
        for part in _parts(unit):
            for parent, members in _by_name(groups, unit.parts):
                plans = _plans(part, members)
                if plans is None or not _known(plans, units):
                    continue
                for path, plan in plans.items():
                    entries[path] = entry(path, plan, True, "order, layer type")
                used.update(each["name"] for p in plans.values() for each in p["sources"])
                del groups[parent]
                break
    plain = [part for unit in units if unit.kind == "recurrent" for part in _plain_parts(unit)]
    left = [part for part in plain if not used & {t.name for t in part.tensors.values()}]
    packed.fill_cells(left, leaves, entries, open_ones, used, entry)
    units[:] = [_without(unit, used) for unit in units]
    units[:] = [unit for unit in units if unit.tensors]
    return [leaf for leaf in leaves if leaf.path not in entries]


def _by_name(
    groups: Mapping[tuple[str, ...], list[Leaf]], parts: tuple[str, ...]
) -> list[tuple[tuple[str, ...], list[Leaf]]]:
    """The cells, those of the same name first."""
    wanted = stem_tokens(parts)
    return sorted(groups.items(), key=lambda item: stem_tokens(item[0]) != wanted or not wanted)


def _known(plans: Mapping[str, Any], units: Sequence[Unit]) -> bool:
    """Whether the reference has every tensor the recipes use."""
    names = {tensor.name for unit in units for tensor in unit.tensors}
    return all(s["name"] in names for plan in plans.values() for s in plan["sources"])


def _without(unit: Unit, used: set[str]) -> Unit:
    unit.tensors = [tensor for tensor in unit.tensors if tensor.name not in used]
    return unit


def _cells(leaves: Sequence[Leaf]) -> dict[tuple[str, ...], list[Leaf]]:
    """Parent path of every library cell -> its leaves, in order."""
    kinds = LSTM_CELLS | GRU_CELLS | SIMPLE_CELLS | FLAX_ATTENTION | EQUINOX_ATTENTION | HAIKU_CELLS
    found: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in sorted(leaves, key=lambda each: each.order):
        owner = leaf.config.get("cell")
        if owner and any(each in kinds for each in leaf.config.get("cell_types", ())):
            found.setdefault(tuple(owner), []).append(leaf)
    return found


def _parts(unit: Unit) -> list[dict[str, Any]]:
    """One part per layer and direction of a packed layer: short name -> tensor."""
    by_name = {tensor.name.rsplit(".", 1)[-1]: tensor for tensor in unit.tensors}
    if unit.kind == "attention":
        prefix = ".".join(unit.parts)
        return [{"kind": "attention", "prefix": prefix, "tensors": by_name}]
    parts = []
    for layer in range(int(unit.config.get("num_layers", 1))):
        for direction in ("", "_reverse"):
            suffix = f"_l{layer}{direction}"
            own = {n.removesuffix(suffix): t for n, t in by_name.items() if n.endswith(suffix)}
            if not direction:
                own = {n: t for n, t in own.items() if not n.endswith("_reverse")}
            if own:
                parts.append({"kind": "recurrent", "tensors": own})
    if not parts:
        parts.append({"kind": "recurrent", "tensors": by_name})
    return parts


def _plain_parts(unit: Unit) -> list[packed.Part]:
    found = []
    for part in _parts(unit):
        tensors = part["tensors"]
        if {"weight_ih", "weight_hh"} <= set(tensors):
            backward = tensors["weight_hh"].name.endswith("_reverse")
            found.append(packed.Part(tensors, backward))
    return found


def _plans(part: Mapping[str, Any], members: Sequence[Leaf]) -> dict[str, Any] | None:
    """Recipes for every leaf of a cell, or None when the cell is another kind or size."""
    kinds = set(members[0].config.get("cell_types", ()))
    tensors: Mapping[str, Tensor] = part["tensors"]
    if part["kind"] == "attention":
        return _attention(part, members) if kinds & (FLAX_ATTENTION | EQUINOX_ATTENTION) else None
    if members[0].library == "haiku":
        return _haiku_lstm(tensors, members)
    if members[0].library == "equinox" or any(m.parts[-2] == "dense_h" for m in members):
        return _packed_cell(tensors, members)
    if kinds & SIMPLE_CELLS:
        return _simple_cell(tensors, members)
    gates = LSTM_GATES if kinds & LSTM_CELLS else GRU_GATES if kinds & GRU_CELLS else None
    return None if gates is None else _gated(tensors, members, gates)


def _gated(
    tensors: Mapping[str, Tensor],
    members: Sequence[Leaf],
    gates: Mapping[str, int],
) -> dict[str, Any] | None:
    weight = tensors.get("weight_ih")
    hidden = tensors.get("weight_hh")
    if weight is None or hidden is None or weight.shape[0] != len(gates) * hidden.shape[1]:
        return None
    size = hidden.shape[1]
    names = {(leaf.parts[-2].strip("_"), leaf.name) for leaf in members}
    plans = {}
    for leaf in members:
        gate = leaf.parts[-2].strip("_")
        if len(gate) != 2 or gate[0] not in "ih" or gate[1] not in gates:
            return None
        place = gates[gate[1]]
        cut = ("slice", (0, place * size, (place + 1) * size))
        side = "weight_ih" if gate[0] == "i" else "weight_hh"
        if leaf.name == "kernel":
            plan: Mapping[str, Any] | None = simple(tensors[side].name, cut, TURN)
            shape: tuple[int, ...] = (tensors[side].shape[1], size)
        else:
            other = ("i" if gate[0] == "h" else "h") + gate[1]
            plan = _gate_bias(tensors, gate[0], cut, both=(other, "bias") not in names)
            shape = (size,)
        if plan is None or leaf.shape != shape:
            return None
        plans[leaf.path] = plan
    return plans


def _gate_bias(
    tensors: Mapping[str, Tensor], side: str, cut: Any, both: bool
) -> dict[str, Any] | None:
    """One bias where the cell has one per gate: the sum of PyTorch's two."""
    if "bias_ih" not in tensors:
        return None
    if both:
        return recipe([(tensors[n].name, [cut]) for n in ("bias_ih", "bias_hh")], "sum")
    return simple(tensors["bias_ih" if side == "i" else "bias_hh"].name, cut)


def _packed_cell(tensors: Mapping[str, Tensor], members: Sequence[Leaf]) -> dict[str, Any] | None:
    """Cells of nnx and Equinox: gates packed as in PyTorch, one bias where PyTorch has two."""
    plans: dict[str, Any] = {}
    size = tensors["weight_hh"].shape[-1] if "weight_hh" in tensors else 0
    split = any(leaf.name == "bias_n" for leaf in members)
    for leaf in members:
        owner = leaf.parts[-2] if leaf.library == "nnx" else leaf.name
        if split and leaf.name in ("bias", "bias_n") and "bias_ih" in tensors:
            plans[leaf.path] = _equinox_gru_bias(tensors, leaf.name, size)
            continue
        side = "hh" if owner in ("dense_h", "weight_hh", "h") else "ih"
        weight = tensors.get(f"weight_{side}")
        if weight is None:
            return None
        if leaf.name == "bias":
            if "bias_ih" not in tensors or leaf.shape != tensors["bias_ih"].shape:
                return None
            sources: list[tuple[str, list[Any]]] = [
                (tensors[n].name, []) for n in ("bias_ih", "bias_hh")
            ]
            plans[leaf.path] = recipe(sources, "sum")
        elif leaf.name == "kernel" and leaf.shape == weight.shape[::-1]:
            plans[leaf.path] = simple(weight.name, TURN)
        elif leaf.name == f"weight_{side}" and leaf.shape == weight.shape:
            plans[leaf.path] = simple(weight.name)
        else:
            return None
    return plans


def _equinox_gru_bias(tensors: Mapping[str, Tensor], name: str, size: int) -> dict[str, Any]:
    """Equinox keeps the new gate's hidden bias apart, and the sum of all others."""
    hidden = tensors["bias_hh"].name
    if name == "bias_n":
        return simple(hidden, ("slice", (0, 2 * size, 3 * size)))
    rest = ("zero", (0, 2 * size, 3 * size))
    return recipe([(tensors["bias_ih"].name, []), (hidden, [rest])], "sum")


def _haiku_lstm(tensors: Mapping[str, Tensor], members: Sequence[Leaf]) -> dict[str, Any] | None:
    """hk.LSTM: one matrix for input and state, gates i, g, f, o, one added to the forget gate."""
    if not {"weight_ih", "weight_hh", "bias_ih", "bias_hh"} <= set(tensors):
        return None
    size = tensors["weight_hh"].shape[1]
    rows = tensors["weight_ih"].shape[1] + size
    plans: dict[str, Any] = {}
    for leaf in members:
        if leaf.name == "w" and leaf.shape == (rows, 4 * size):
            sources = [(tensors[n].name, [TURN]) for n in ("weight_ih", "weight_hh")]
            plans[leaf.path] = recipe(sources, "concat0", [("order", (1, *HAIKU_GATES))])
        elif leaf.name == "b" and leaf.shape == (4 * size,):
            both: list[tuple[str, list[Any]]] = [
                (tensors[n].name, []) for n in ("bias_ih", "bias_hh")
            ]
            turned = ("order", (0, *HAIKU_GATES))
            plans[leaf.path] = recipe(both, "sum", [turned, ("shift", (0, 2 * size, 3 * size, -1))])
        else:
            return None
    return plans


def _simple_cell(tensors: Mapping[str, Tensor], members: Sequence[Leaf]) -> dict[str, Any] | None:
    names = {(leaf.parts[-2], leaf.name) for leaf in members}
    plans = {}
    for leaf in members:
        gate = leaf.parts[-2]
        side = {"i": "ih", "h": "hh"}.get(gate)
        if side is None or f"weight_{side}" not in tensors:
            return None
        if leaf.name == "kernel":
            tensor = tensors[f"weight_{side}"]
            if leaf.shape != tensor.shape[::-1]:
                return None
            plans[leaf.path] = simple(tensor.name, TURN)
        elif "bias_ih" in tensors:
            other = "i" if gate == "h" else "h"
            both = (other, "bias") not in names
            sources = ("bias_ih", "bias_hh") if both else (f"bias_{side}",)
            plans[leaf.path] = recipe(
                [(tensors[n].name, []) for n in sources], "sum" if both else "one"
            )
        else:
            return None
    return plans


def _attention(part: Mapping[str, Any], members: Sequence[Leaf]) -> dict[str, Any] | None:
    """Flax attention: query/key/value kernels (E, heads, D), out kernel (heads, D, E)."""
    tensors: Mapping[str, Tensor] = part["tensors"]
    places = {"query": 0, "key": 1, "value": 2}
    plans = {}
    for leaf in members:
        owner = leaf.parts[-2].removesuffix("_proj")
        turned = [TURN] if leaf.name == "kernel" else []
        matrix = leaf.name in ("kernel", "weight")
        if owner in ("out", "output"):
            prefix = f"{part['prefix']}." if part["prefix"] else ""
            name = f"{prefix}out_proj.{'weight' if matrix else 'bias'}"
            plans[leaf.path] = simple(name, *turned, ("reshape", leaf.shape))
            continue
        if owner not in places:
            return None
        packed = tensors.get("in_proj_weight" if matrix else "in_proj_bias")
        if packed is None or packed.size != 3 * leaf.size:
            return None
        width = packed.shape[0] // 3
        cut = ("slice", (0, places[owner] * width, (places[owner] + 1) * width))
        plans[leaf.path] = simple(packed.name, cut, *turned, ("reshape", leaf.shape))
    return plans
