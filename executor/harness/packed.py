"""Packed layers of the reference (LSTM, GRU, RNN, attention) against parameters written by hand.

A hand-written cell keeps `weight_ih` and `weight_hh` as PyTorch does, or turned, or one matrix per
gate; hand-written attention keeps query, key and value apart. NumPy and the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .layouts import Option, Slot, options
from .naming import role_of, tokens
from .recipe import Step, recipe
from .units import Leaf, Tensor, Unit

INPUT = {"ih", "x", "xh", "i", "input", "ix", "wx", "wi", "i2h", "kernel", "w", "u"}
HIDDEN = {"hh", "h", "hidden", "recurrent", "wh", "h2h", "r"}
GATES = {
    4: {"i": 0, "f": 1, "g": 2, "c": 2, "o": 3},
    3: {"r": 0, "z": 1, "n": 2},
    1: {},
}
BACKWARD = {"reverse", "reversed", "backward", "bwd", "bw", "back", "rev"}
GATED = re.compile(r"[WwUuBb]?_?([ihx])_?([ifgcorzn])\Z")


@dataclass(frozen=True, slots=True)
class Part:
    """One layer and direction of a packed recurrent layer: short name -> tensor."""

    tensors: Mapping[str, Tensor]
    backward: bool

    @property
    def gates(self) -> int:
        return self.tensors["weight_hh"].shape[0] // self.tensors["weight_hh"].shape[1]


def fill_cells(  # noqa: PLR0917 - the parts of the bridge that it fills
    parts: Sequence[Part],
    leaves: Sequence[Leaf],
    entries: dict[str, Any],
    open_ones: dict[str, list[Any]],
    used: set[str],
    entry: Callable[..., Any],
) -> None:
    """Fill hand-written cells, in the order in which they are defined; backward ones apart."""
    groups = _groups([leaf for leaf in leaves if leaf.path not in entries and leaf.fillable])
    told = any(_is_backward(members) for members in groups)
    for part in parts:
        for members in groups:
            if told and part.backward != _is_backward(members):
                continue
            plans = _plans(part, members)
            if plans is None:
                continue
            for path, (plan, *others) in plans.items():
                entries[path] = entry(
                    path, plan, not others, "square" if others else "order, shape"
                )
                used.update(source["name"] for source in plan["sources"])
                if others:
                    open_ones[path] = others
            groups.remove(members)
            break


def _groups(leaves: Iterable[Leaf]) -> list[list[Leaf]]:
    """Leaves of one cell each: one parent, and one number and direction in their names."""
    found: dict[Any, list[Leaf]] = {}
    for leaf in leaves:
        words = tokens(leaf.name)
        marks = tuple(w for w in words if w.isdigit() or w in BACKWARD)
        parent = leaf.parts[:-1]
        if parent and parent[-1] in ("ih", "hh", "i2h", "h2h", "x2h"):
            parent = parent[:-1]
        found.setdefault((parent, marks), []).append(leaf)
    return list(found.values())


def _is_backward(members: Sequence[Leaf]) -> bool:
    return any(word in BACKWARD for leaf in members for part in leaf.parts for word in tokens(part))


def _plans(part: Part, members: Sequence[Leaf]) -> dict[str, list[Any]] | None:
    """Recipes for the leaves of a group that together take the whole part, else None."""
    plans: dict[str, list[Any]] = {}
    taken = 0
    for leaf in members:
        found = _gate_plan(part, leaf) or _packed_plan(part, leaf, members)
        if found is not None:
            plans[leaf.path] = found
            taken += leaf.size * len(found[0]["sources"])
    sources = {source["name"] for plan in plans.values() for source in plan[0]["sources"]}
    whole = sum(tensor.size for tensor in part.tensors.values())
    everything = {tensor.name for tensor in part.tensors.values()}
    return plans if sources == everything and taken == whole else None


def _side(leaf: Leaf) -> str:
    """ih or hh where the leaf's name, or its parent's, says so."""
    for name in (leaf.name, *leaf.parts[-2:-1]):
        words = [w for w in tokens(name) if not w.isdigit()]
        joined = "".join(words)
        stripped = joined[1:] if joined[:1] in "wub" and len(joined) > 1 else joined
        for known, side in ((HIDDEN, "hh"), (INPUT, "ih")):
            if stripped in known or any(w in known and not role_of(w) for w in words):
                return side
    return ""


def _packed_plan(part: Part, leaf: Leaf, members: Sequence[Leaf]) -> list[Any] | None:
    """A whole matrix or bias, as it is or turned."""
    side = _side(leaf)
    vector = len(leaf.shape) == 1 or min(leaf.shape, default=0) == 1
    if vector:
        return _bias(part, leaf, members, side)
    fitting = [
        (name, ways)
        for name in ("weight_ih", "weight_hh")
        if (not side or name.endswith(side)) and (ways := _ways(part.tensors[name], leaf))
    ]
    return [way.recipe for way in fitting[0][1]] if len(fitting) == 1 else None


def _ways(tensor: Tensor, leaf: Leaf) -> list[Option]:
    own = leaf.name.lower().endswith(tensor.name.rsplit(".", 1)[-1].split("_l")[0])
    slot = Slot(leaf.shape, leaf.name, same_name=own and not leaf.library_layer)
    return options(tensor.name, tensor.shape, "linear", slot)


def _bias(part: Part, leaf: Leaf, members: Sequence[Leaf], side: str) -> list[Any] | None:
    if "bias_ih" not in part.tensors or leaf.size != part.tensors["bias_ih"].size:
        return None
    sizes = [each for each in members if each.size == leaf.size and len(each.shape) < 2]
    whole: list[Step] = (
        [] if leaf.shape == part.tensors["bias_ih"].shape else [("reshape", leaf.shape)]
    )
    if len(sizes) == 1:
        both = [(part.tensors[n].name, whole) for n in ("bias_ih", "bias_hh")]
        return [recipe(both, "sum")]
    return [recipe([(part.tensors[f"bias_{side}"].name, whole)])] if side else None


def _gate_plan(part: Part, leaf: Leaf) -> list[Any] | None:
    """One gate's matrix or bias: `W_ii`, `b_hf`."""
    match = GATED.match(leaf.name)
    gates = GATES.get(part.gates, {})
    if match is None or match[2] not in gates or part.gates == 1:
        return None
    size = part.tensors["weight_hh"].shape[1]
    place = gates[match[2]]
    cut: Step = ("slice", (0, place * size, (place + 1) * size))
    side = "hh" if match[1] == "h" else "ih"
    kind = "bias" if len(leaf.shape) == 1 else "weight"
    tensor = part.tensors.get(f"{kind}_{side}")
    if tensor is None:
        return None
    if kind == "bias":
        return [recipe([(tensor.name, [cut])])] if leaf.shape == (size,) else None
    ways = _ways(replace(tensor, shape=(size, *tensor.shape[1:])), leaf)
    return [prepended(way.recipe, cut) for way in ways] or None


def prepended(plan: Mapping[str, Any], step: Step, name: str | None = None) -> dict[str, Any]:
    """The recipe with one more step before all others of its only source."""
    source = plan["sources"][0]
    first = {"name": name or source["name"], "steps": [list(step), *source["steps"]]}
    return {**plan, "sources": [first]}


@dataclass(frozen=True, slots=True)
class Split:
    """Packed attention taken apart: units to pair, and where their tensors come from."""

    units: list[Unit]
    tensors: dict[str, Tensor]
    origin: dict[str, tuple[str, Step]]


def split_attention(unit: Unit, leaves: Sequence[Leaf], others: Iterable[Tensor]) -> Split | None:
    """Query, key and value as three linear layers, unless the candidate packs them too."""
    weight = next((t for t in unit.tensors if t.name.endswith("in_proj_weight")), None)
    if weight is None or _is_packed(weight, leaves, others):
        return None
    width = weight.shape[0] // 3
    split = Split([], {}, {})
    for place, letter in enumerate("qkv"):
        cut: Step = ("slice", (0, place * width, (place + 1) * width))
        part = Unit((*unit.parts, letter), unit.order, kind="linear", config=unit.config)
        for tensor in unit.tensors:
            if not tensor.name.endswith(("in_proj_weight", "in_proj_bias")):
                continue
            role = "weight" if tensor is weight else "bias"
            name = f"{'.'.join(part.parts)}.{role}"
            kind = "linear" if role == "weight" else "raw"
            piece = Tensor(name, (width, *tensor.shape[1:]), kind, role)
            part.tensors.append(piece)
            split.tensors[name] = piece
            split.origin[name] = (tensor.name, cut)
        split.units.append(part)
    return split


def _is_packed(weight: Tensor, leaves: Sequence[Leaf], others: Iterable[Tensor]) -> bool:
    wanted = sorted(weight.shape)
    offered = sum(leaf.size == weight.size and sorted(leaf.shape) == wanted for leaf in leaves)
    needed = sum(sorted(t.shape) == wanted for t in others if t is not weight)
    return offered > needed
