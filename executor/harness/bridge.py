"""The parameter bridge: which reference tensor fills which candidate parameter, and how.

Layers ("units") are paired by name where names agree, else by the order in which they are called
or defined, always subject to layer type and shape; inside a pair, roles (weight, bias, mean,
variance) and the layouts of `layouts` decide. What stays open is listed, never picked silently.
NumPy and the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import recurrent
from .layouts import Option, Slot, options
from .naming import role_of, split_leaf, stem_tokens, tokens
from .packed import prepended, split_attention
from .recipe import Recipe, names, recipe, words
from .units import Leaf, Tensor, Unit, candidate_units, reference_units

# Libraries whose layers are known by the order of their calls.
CALL_ORDER = ("linen", "haiku")


@dataclass(slots=True)
class Entry:
    """One filled parameter of the candidate."""

    leaf: str
    recipe: Recipe
    certain: bool
    why: str


@dataclass(slots=True)
class Bridge:
    """The bridge that was found.

    entries       candidate parameter -> recipe
    missing       reference tensors that nothing in the candidate takes
    extra         candidate parameters that nothing fills
    open          candidate parameter -> other recipes that would fit as well
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    open: dict[str, list[Recipe]] = field(default_factory=dict)

    def force(self, recipes: Mapping[str, Recipe]) -> None:
        """Take these recipes for certain: another run has shown that only they fit."""
        for path, plan in recipes.items():
            self.settle(path, plan, "search")

    def settle(self, path: str, plan: Recipe, why: str) -> None:
        """Take this recipe for certain."""
        self.entries[path] = Entry(path, plan, True, why)
        self.open.pop(path, None)

    def differing(self, other: Bridge) -> dict[str, Recipe]:
        """The other bridge's recipes that differ, where it is as whole and certain as this one."""
        if other.open or other.missing != self.missing or other.extra != self.extra:
            return {}
        return {
            path: entry.recipe
            for path, entry in other.entries.items()
            if path not in self.entries or entry.recipe != self.entries[path].recipe
        }

    def to_json(self) -> list[dict[str, Any]]:
        """The bridge as plain data."""
        return [
            {
                "candidate": entry.leaf,
                "reference": names(entry.recipe),
                "how": words(entry.recipe),
                "recipe": dict(entry.recipe),
                "certain": entry.certain,
                "why": entry.why,
                "open": [words(other) for other in self.open.get(entry.leaf, [])],
            }
            for entry in self.entries.values()
        ]


def match(
    description: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    leaves: Sequence[Leaf],
    pins: Mapping[str, Mapping[str, str]],
    other_order: bool = False,
) -> Bridge:
    """Pair every reference tensor with the candidate's parameters.

    Order of calls is compared with order of calls, order of definition with its like; with
    `other_order` the reference's other order is taken. `description` has `modules` (definition
    order) and `calls` (paths in call order); `tensors` maps a reference name to its shape and
    kind; `pins` maps candidate paths to what a person fixed.
    """
    found = Bridge()
    used: set[str] = set()
    _take_pins(found, used, tensors, leaves, pins)
    free = [leaf for leaf in leaves if leaf.path not in found.entries]
    by_calls = any(leaf.library in CALL_ORDER for leaf in leaves) != other_order
    ordered = {**description, "calls": description["calls"] if by_calls else []}
    theirs = reference_units(ordered, {n: t for n, t in tensors.items() if n not in used})
    free = recurrent.match(theirs, free, found.entries, found.open, used, Entry)
    theirs, known, origin = _taken_apart(theirs, tensors, free)
    ours = candidate_units(free)
    pairs = _pair(theirs, ours)
    _settle(found, used, pairs)
    _leftovers(found, used, known, leaves)
    _sum_biases(found, used, known)
    _resolve_by_siblings(found, known)
    _put_together(found, used, origin)
    found.missing = [n for n, t in tensors.items() if n not in used and t.required]
    found.extra = [leaf.path for leaf in leaves if leaf.path not in found.entries and leaf.fillable]
    return found


def _taken_apart(
    theirs: list[Unit], tensors: Mapping[str, Tensor], free: Sequence[Leaf]
) -> tuple[list[Unit], dict[str, Tensor], dict[str, tuple[str, Any]]]:
    """Packed attention as separate layers, where the candidate has them separate."""
    units: list[Unit] = []
    known = dict(tensors)
    origin: dict[str, tuple[str, Any]] = {}
    for unit in theirs:
        split = split_attention(unit, free, tensors.values()) if unit.kind == "attention" else None
        if split is None:
            units.append(unit)
            continue
        units += split.units
        for base in {base for base, _ in split.origin.values()}:
            known.pop(base, None)
        known.update(split.tensors)
        origin.update(split.origin)
    return units, known, origin


def _put_together(found: Bridge, used: set[str], origin: Mapping[str, tuple[str, Any]]) -> None:
    """Recipes in terms of the reference's own tensors again."""

    def real(plan: Recipe) -> Recipe:
        name = names(plan)[0]
        return prepended(plan, origin[name][1], origin[name][0]) if name in origin else plan

    for entry in found.entries.values():
        entry.recipe = real(entry.recipe)
    found.open = {path: [real(plan) for plan in plans] for path, plans in found.open.items()}
    bases = {base for base, _ in origin.values()}
    used.update(
        base for base in bases if all(n in used for n, (own, _) in origin.items() if own == base)
    )


def _take_pins(
    found: Bridge,
    used: set[str],
    tensors: Mapping[str, Tensor],
    leaves: Sequence[Leaf],
    pins: Mapping[str, Mapping[str, str]],
) -> None:
    by_path = {leaf.path: leaf for leaf in leaves}
    for path, pin in pins.items():
        leaf, tensor = by_path.get(path), tensors.get(pin["source"])
        if leaf is None or tensor is None:
            continue
        plan = _pinned(pin, tensor, leaf)
        if plan is not None:
            found.entries[path] = Entry(path, plan, True, "pinned")
            used.add(pin["source"])


def _pinned(pin: Mapping[str, str], tensor: Tensor, leaf: Leaf) -> Recipe | None:
    """The recipe a person asked for: among the legal ones, by its layout word."""
    slot = Slot(leaf.shape, leaf.name, same_name=pin["layout"] == "as_is")
    legal = [option.recipe for option in options(tensor.name, tensor.shape, tensor.kind, slot)]
    plain = Slot(leaf.shape, leaf.name)
    legal += [option.recipe for option in options(tensor.name, tensor.shape, tensor.kind, plain)]
    fitting = [plan for plan in legal if _layout_word(plan) == pin["layout"]]
    return fitting[0] if fitting else (legal[0] if legal else None)


def _layout_word(plan: Recipe) -> str:
    operations = {step[0] for step in plan["sources"][0]["steps"]}
    if "flip" in operations:
        return "flipped"
    return "transposed" if "transpose" in operations else "as_is"


@dataclass(slots=True)
class _Pair:
    reference: Unit
    candidate: Unit
    chosen: dict[str, list[Option]]
    why: str


def _pair(theirs: list[Unit], ours: list[Unit]) -> list[_Pair]:
    """Pair units: by full name, by the tokens of names, then by order."""
    pairs: list[_Pair] = []
    for agree in (_same_path, _same_tokens, _same_ending):
        _pair_by(pairs, theirs, ours, agree, "name")
    ordered = sorted(theirs, key=lambda unit: unit.order)
    for full in (True, False):
        _pair_in_order(pairs, ordered, sorted(ours, key=lambda unit: unit.order), full)
    return pairs


def _pair_by(
    pairs: list[_Pair], theirs: list[Unit], ours: list[Unit], agree: Any, why: str
) -> None:
    taken_theirs = {id(p.reference) for p in pairs}
    taken_ours = {id(p.candidate) for p in pairs}
    left = [u for u in theirs if id(u) not in taken_theirs]
    right = [u for u in ours if id(u) not in taken_ours]
    proposals = []
    for unit in left:
        same = [other for other in right if agree(unit, other)]
        back = [other for other in left if same and agree(other, same[0])]
        if len(same) == 1 and len(back) == 1:
            chosen = fit(unit, same[0])
            if chosen:
                proposals.append(_Pair(unit, same[0], chosen, why))
    if agree is not _same_path:
        proposals = _whole_classes(proposals, left, right)
    pairs.extend(proposals)


def _whole_classes(proposals: list[_Pair], left: list[Unit], right: list[Unit]) -> list[_Pair]:
    """Drop token matches that leave look-alikes over: `fc1, fc2` are not `dense0, dense1`."""
    taken = {id(p.candidate) for p in proposals}
    matched = {id(p.reference) for p in proposals}
    rest_left = [u for u in left if id(u) not in matched]
    rest_right = [u for u in right if id(u) not in taken]
    kept = []
    for pair in proposals:
        other_left = any(fit(u, pair.candidate) for u in rest_left)
        other_right = any(fit(pair.reference, u) for u in rest_right)
        if not (other_left and other_right):
            kept.append(pair)
    return kept


def _pair_in_order(
    pairs: list[_Pair], theirs: Sequence[Unit], ours: Sequence[Unit], full: bool
) -> None:
    for unit in theirs:
        if any(pair.reference is unit for pair in pairs):
            continue
        taken = {id(pair.candidate) for pair in pairs}
        for other in ours:
            if id(other) in taken:
                continue
            chosen = fit(unit, other)
            if chosen and (not full or _complete(unit, other, chosen)):
                pairs.append(_Pair(unit, other, chosen, "order"))
                break


def _complete(unit: Unit, other: Unit, chosen: Mapping[str, Any]) -> bool:
    return len(chosen) == len(other.leaves) and len(chosen) >= sum(
        tensor.required for tensor in unit.tensors
    )


def _same_path(unit: Unit, other: Unit) -> bool:
    return not other.automatic and unit.joined == other.joined


def _same_tokens(unit: Unit, other: Unit) -> bool:
    return not other.automatic and bool(unit.tokens) and unit.tokens == other.tokens


def _same_ending(unit: Unit, other: Unit) -> bool:
    """Whether the last telling words agree, and are more than numbers: `attn.q`, `q_proj`."""
    if other.automatic or not unit.tokens or not other.tokens:
        return False
    return unit.tokens[-1] == other.tokens[-1] and not unit.tokens[-1].isdigit()


def fit(unit: Unit, other: Unit) -> dict[str, list[Option]]:
    """Candidate parameter -> ways to fill it from the reference unit; {} when they cannot pair."""
    chosen: dict[str, list[Option]] = {}
    taken: set[str] = set()
    for leaf in other.leaves:
        tensor = _tensor_for(unit, leaf, taken, alone=len(other.leaves) == 1)
        if tensor is None:
            continue
        found = options(tensor.name, tensor.shape, tensor.kind, _slot(leaf, tensor))
        if found:
            chosen[leaf.path] = found
            taken.add(tensor.name)
    return chosen if _main_fits(unit, other, taken) else {}


def _main_fits(unit: Unit, other: Unit, taken: set[str]) -> bool:
    """Weights pair units; a bias alone does so only between units that are nothing but a bias."""
    if not taken:
        return False
    weights = [tensor for tensor in unit.tensors if tensor.role == "weight"]
    if not weights:
        return True
    has_weight = any(role_of(leaf.name) in ("weight", "") for leaf in other.leaves)
    return any(tensor.name in taken for tensor in weights) or not has_weight


def _tensor_for(unit: Unit, leaf: Leaf, taken: set[str], alone: bool) -> Tensor | None:
    """The tensor of the unit with the leaf's role, else the only one of its size."""
    free = [tensor for tensor in unit.tensors if tensor.name not in taken]
    role = role_of(split_leaf(leaf.name)[1] or leaf.name)
    same = [tensor for tensor in free if tensor.role == role and role]
    if same:
        return max(same, key=lambda tensor: _shared_words(tensor, leaf))
    if role in ("mean", "variance", "bias") and not alone:
        return None
    sized = [tensor for tensor in free if tensor.size == leaf.size]
    open_role = [tensor for tensor in sized if not tensor.role or not role]
    if len(open_role) == 1 or (open_role and alone):
        return open_role[0]
    return sized[0] if alone and len(unit.tensors) == 1 and sized else None


def _shared_words(tensor: Tensor, leaf: Leaf) -> int:
    """How many words a parameter's name shares with a tensor's, beyond its role."""
    ours, theirs = tokens(tensor.name.rsplit(".", 1)[-1]), tokens(leaf.name)
    return sum(word in ours and not role_of(word) for word in theirs)


def _slot(leaf: Leaf, tensor: Tensor) -> Slot:
    return Slot(
        shape=leaf.shape,
        leaf=leaf.name,
        library=leaf.library,
        layer_types=leaf.layer_types,
        config=leaf.config,
        same_name=not leaf.library_layer and _same_name(leaf, tensor),
    )


def _same_name(leaf: Leaf, tensor: Tensor) -> bool:
    """Whether a plain parameter carries the reference's own name, or a telling end of it."""
    own = _normal(".".join(leaf.parts))
    parts = tensor.name.removesuffix("_l0").split(".")
    ends = [parts[place:] for place in range(len(parts))]
    telling = [end for end in ends if end == parts or stem_tokens(end) or len(end) > 1]
    return own == _normal(tensor.name) or own in {_normal("".join(end)) for end in telling}


def _normal(text: str) -> str:
    return "".join(each for each in text.lower() if each.isalnum())


def _settle(found: Bridge, used: set[str], pairs: Iterable[_Pair]) -> None:
    for pair in pairs:
        for path, ways in pair.chosen.items():
            best = ways[0]
            source = names(best.recipe)[0]
            if source in used or path in found.entries:
                continue
            used.add(source)
            why = best.why if not best.certain else f"{pair.why}, {best.why}"
            found.entries[path] = Entry(path, best.recipe, best.certain, why)
            if not best.certain:
                found.open[path] = [option.recipe for option in ways[1:]]


def _leftovers(
    found: Bridge, used: set[str], tensors: Mapping[str, Tensor], leaves: Sequence[Leaf]
) -> None:
    """Single tensors that one single parameter can still take."""
    for name, tensor in tensors.items():
        if name in used:
            continue
        fitting = []
        for leaf in leaves:
            if leaf.path in found.entries or not leaf.fillable:
                continue
            if leaf.statistic != tensor.statistic:
                continue
            role = role_of(split_leaf(leaf.name)[1] or leaf.name)
            if role and tensor.role and role != tensor.role:
                continue
            ways = options(name, tensor.shape, tensor.kind, _slot(leaf, tensor))
            if ways:
                fitting.append((leaf, ways))
        same_name = [f for f in fitting if stem_tokens(f[0].parts) == stem_tokens(name.split("."))]
        chosen = same_name if len(same_name) == 1 else fitting
        if len(chosen) == 1:
            leaf, ways = chosen[0]
            used.add(name)
            why = f"left over, {ways[0].why}" if ways[0].certain else ways[0].why
            found.entries[leaf.path] = Entry(leaf.path, ways[0].recipe, ways[0].certain, why)
            if not ways[0].certain:
                found.open[leaf.path] = [option.recipe for option in ways[1:]]


def _sum_biases(found: Bridge, used: set[str], tensors: Mapping[str, Tensor]) -> None:
    """One bias of a cell stands for both of PyTorch's."""
    for path, entry in found.entries.items():
        first = names(entry.recipe)[0]
        other = first.replace("bias_ih", "bias_hh")
        if entry.recipe["combine"] != "one" or other == first or other in used:
            continue
        if other in tensors and tensors[other].shape == tensors[first].shape:
            steps = [
                (str(name), argument) for name, argument in entry.recipe["sources"][0]["steps"]
            ]
            plan = recipe([(first, steps), (other, steps)], "sum")
            found.entries[path] = Entry(path, plan, entry.certain, entry.why)
            used.add(other)


def _resolve_by_siblings(found: Bridge, tensors: Mapping[str, Tensor]) -> None:
    """A square weight lies as the other weights of its kind do, where those are certain."""
    habits: dict[tuple[str, int], set[str]] = {}
    for entry in found.entries.values():
        habit = _habit(entry.recipe, tensors)
        # A library layer's layout is its own; it says nothing of the person's plain weights.
        if entry.certain and habit is not None and "layer type" not in entry.why:
            habits.setdefault(habit[0], set()).add(habit[1])
    for path, others in list(found.open.items()):
        entry = found.entries[path]
        habit = _habit(entry.recipe, tensors)
        if entry.why != "square" or habit is None or len(habits.get(habit[0], ())) != 1:
            continue
        usual = next(iter(habits[habit[0]]))
        fitting = [
            plan
            for plan in (entry.recipe, *others)
            if (same := _habit(plan, tensors)) is not None and same[1] == usual
        ]
        if len(fitting) == 1:
            found.entries[path] = Entry(path, fitting[0], True, "as its siblings")
            del found.open[path]


def _habit(plan: Recipe, tensors: Mapping[str, Tensor]) -> tuple[tuple[str, int], str] | None:
    """Kind and rank of the one weight a recipe turns, and how it turns it."""
    tensor = tensors[names(plan)[0]]
    rank = len(tensor.shape)
    if plan["combine"] != "one" or rank < 2:
        return None
    steps = [step for step in plan["sources"][0]["steps"] if step[0] in ("transpose", "flip")]
    return (tensor.kind, rank), str([[name, list(axes)] for name, axes in steps])
