"""Legal layouts: how a PyTorch layer's tensors may lie in a JAX layer's parameters.

Facts, not guesses: each function lists the recipes that turn one reference tensor into an array of
the candidate's shape, the most likely first, and says whether the choice is certain.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .recipe import Step, simple

Shape = tuple[int, ...]
# Layer types of the JAX libraries whose weights have a fixed layout.
DENSE = {"Dense", "DenseGeneral", "Linear"}
CONV = {"Conv", "Conv1D", "Conv2D", "Conv3D", "ConvND", "Conv1d", "Conv2d", "Conv3d"}
TRANSPOSED = {
    "ConvTranspose",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "ConvNDTranspose",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
}
EMBED = {"Embed", "Embedding"}
# Leaf names that are only ever used for channels-last kernels.
KERNEL_NAMES = {"kernel"}


@dataclass(frozen=True, slots=True)
class Option:
    """One way to lay a reference tensor into a candidate parameter."""

    recipe: Mapping[str, Any]
    certain: bool
    why: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The candidate's parameter to be filled: its shape, and what is known of its layer."""

    shape: Shape
    leaf: str
    library: str = ""
    layer_types: tuple[str, ...] = ()
    config: Mapping[str, Any] | None = None
    same_name: bool = False

    def is_layer(self, kinds: set[str]) -> bool:
        return bool(self.library) and any(each in kinds for each in self.layer_types)


def options(name: str, shape: Shape, kind: str, slot: Slot) -> list[Option]:
    """Every legal way to fill `slot` from tensor `name` of a reference layer of `kind`.

    Kinds: linear, conv, conv_transpose, embedding, vector (per-channel values), raw.
    """
    maker = {
        "linear": _linear,
        "conv": _conv,
        "conv_transpose": _conv_transpose,
        "embedding": _as_is,
        "vector": _raw,
        "raw": _raw,
    }[kind]
    return maker(name, shape, slot)


def _fixed(name: str, shape: Shape, slot: Slot, steps: Sequence[Step], why: str) -> list[Option]:
    """The one layout of a library layer, if the sizes agree; extra axes by reshape."""
    result = _after(shape, steps)
    if result == slot.shape:
        return [Option(simple(name, *steps), True, why)]
    if _size(result) == _size(slot.shape) and _refines(result, slot.shape):
        return [Option(simple(name, *steps, ("reshape", slot.shape)), True, why)]
    return []


def _linear(name: str, shape: Shape, slot: Slot) -> list[Option]:
    if len(shape) != 2:
        return _raw(name, shape, slot)
    if slot.is_layer(DENSE | CONV):
        steps = [] if slot.library == "equinox" else [("transpose", (1, 0))]
        return _fixed(name, shape, slot, steps, "layer type")
    if slot.leaf in KERNEL_NAMES:
        return _fixed(name, shape, slot, [("transpose", (1, 0))], "name")
    return _matrix(name, shape, slot)


def _matrix(name: str, shape: Shape, slot: Slot) -> list[Option]:
    """A matrix in a plain tree: its own order or transposed, certain unless it is square."""
    as_is = _fixed(name, shape, slot, (), "shape")
    turned = _fixed(name, shape, slot, [("transpose", (1, 0))], "shape")
    if as_is and turned and shape != (1, 1):
        if slot.same_name:
            return [Option(as_is[0].recipe, True, "name")]
        return [
            Option(turned[0].recipe, False, "square"),
            Option(as_is[0].recipe, False, "square"),
        ]
    return as_is or turned


def _conv(name: str, shape: Shape, slot: Slot) -> list[Option]:
    rank = len(shape) - 2
    spatial = tuple(range(2, 2 + rank))
    last = ("transpose", (*spatial, 1, 0))
    if slot.is_layer(CONV):
        steps: Sequence[Step] = () if slot.library == "equinox" else [last]
        return _fixed(name, shape, slot, steps, "layer type")
    if slot.is_layer(DENSE) and _size(shape[2:]) == 1:
        flat = ("reshape", shape[:2])
        return _fixed(name, shape, slot, [flat, ("transpose", (1, 0))], "layer type")
    if slot.leaf in KERNEL_NAMES:
        return _fixed(name, shape, slot, [last], "name")
    # With equal channels only the usual layouts, OIHW and HWIO, count.
    usual = [o for o in ((), (*spatial, 1, 0)) if _in_order(shape, o) == slot.shape]
    if len(usual) == 1:
        return [Option(simple(name, *_turned(usual[0], False)), True, "shape")]
    orders = [
        (),
        ((*spatial, 1, 0)),
        ((*spatial, 0, 1)),
        ((1, 0, *spatial)),
        ((1, *spatial, 0)),
        ((0, *spatial, 1)),
    ]
    return _by_order(name, shape, slot, orders, (False,))


def _conv_transpose(name: str, shape: Shape, slot: Slot) -> list[Option]:
    rank = len(shape) - 2
    spatial = tuple(range(2, 2 + rank))
    if slot.is_layer(TRANSPOSED):
        return _fixed(name, shape, slot, _transposed_steps(shape, slot, spatial), "layer type")
    orders = [(), ((*spatial, 0, 1)), ((*spatial, 1, 0)), ((1, 0, *spatial))]
    return _by_order(name, shape, slot, orders, (True, False))


def _transposed_steps(shape: Shape, slot: Slot, spatial: Shape) -> list[Step]:
    rank = len(spatial)
    if slot.library == "equinox":
        groups = int((slot.config or {}).get("groups", 1))
        return [*_swapped(shape, groups), ("flip", tuple(range(2, 2 + rank)))]
    if slot.library == "haiku":
        return [("transpose", (*spatial, 1, 0)), ("flip", tuple(range(rank)))]
    if (slot.config or {}).get("transpose_kernel"):
        return [("transpose", (*spatial, 1, 0))]
    return [("transpose", (*spatial, 0, 1)), ("flip", tuple(range(rank)))]


def _swapped(shape: Shape, groups: int) -> list[Step]:
    """(I, O / groups, *k) as (O, I / groups, *k), group by group."""
    inputs, outputs, *kernel = shape
    if groups == 1 or inputs % groups:
        return [("transpose", (1, 0, *range(2, len(shape))))]
    apart = (groups, inputs // groups, outputs, *kernel)
    return [
        ("reshape", apart),
        ("transpose", (0, 2, 1, *range(3, len(apart)))),
        ("reshape", (groups * outputs, inputs // groups, *kernel)),
    ]


def _by_order(
    name: str, shape: Shape, slot: Slot, orders: Sequence[Shape], flips: Sequence[bool]
) -> list[Option]:
    """Layouts of a kernel in a plain tree. The reference's own order needs no flip."""
    if shape == slot.shape and slot.same_name:
        return [Option(simple(name), True, "name")]
    fitting = [order for order in orders if _in_order(shape, order) == slot.shape]
    why = "square" if len(fitting) > 1 else "flip"
    found = [
        Option(simple(name, *_turned(order, flip)), False, why)
        for order in fitting
        for flip in (flips if order else flips[-1:])
    ]
    return [Option(found[0].recipe, True, "shape")] if len(found) == 1 else found


def _in_order(shape: Shape, order: Shape) -> Shape:
    return tuple(shape[i] for i in order) if order else shape


def _turned(order: Shape, flip: bool) -> list[Step]:
    if not order:
        return []
    axes = tuple(place for place, axis in enumerate(order) if axis >= 2)
    return [("transpose", order), *([("flip", axes)] if flip and axes else [])]


def _as_is(name: str, shape: Shape, slot: Slot) -> list[Option]:
    if shape == slot.shape:
        return [Option(simple(name), True, "shape")]
    return _raw(name, shape, slot)


def _raw(name: str, shape: Shape, slot: Slot) -> list[Option]:
    """A tensor of the person's own: as it is, with other ones in its shape, or channels moved."""
    if shape == slot.shape:
        square = len(shape) == 2 and shape[0] == shape[1] and shape != (1, 1)
        if not square or slot.same_name:
            return [Option(simple(name), True, "shape")]
        turned = simple(name, ("transpose", (1, 0)))
        return [
            Option(simple(name), False, "square"),
            Option(turned, False, "square"),
        ]
    if squeezed(shape) == squeezed(slot.shape):
        return [Option(simple(name, ("reshape", slot.shape)), True, "shape")]
    return _moved(name, shape, slot)


def _moved(name: str, shape: Shape, slot: Slot) -> list[Option]:
    """The channel axis moved, or a matrix transposed: where exactly one order fits."""
    if len(shape) != len(slot.shape) or len(shape) > 5:
        return []
    fitting = [
        order
        for order in itertools.permutations(range(len(shape)))
        if tuple(shape[i] for i in order) == slot.shape
    ]
    return [
        Option(simple(name, ("transpose", order)), len(fitting) == 1, "shape")
        for order in sorted(fitting, key=_disorder)[:4]
    ]


def _disorder(order: Shape) -> int:
    """Moving one axis is likelier than shuffling all: count the inversions."""
    return sum(a > b for a, b in itertools.combinations(order, 2))


def squeezed(shape: Shape) -> Shape:
    """The shape without its ones."""
    return tuple(each for each in shape if each != 1)


def _after(shape: Shape, steps: Sequence[Step]) -> Shape:
    for operation, argument in steps:
        if operation == "transpose":
            shape = tuple(shape[i] for i in argument)
        elif operation == "reshape":
            shape = tuple(argument)
    return shape


def _size(shape: Shape) -> int:
    total = 1
    for each in shape:
        total *= each
    return total


def _refines(coarse: Shape, fine: Shape) -> bool:
    """Whether `fine` only splits axes of `coarse` (or adds ones): (8, 6) -> (8, 2, 3)."""
    place = 0
    parts = squeezed(fine)
    for size in squeezed(coarse):
        product = 1
        while place < len(parts) and product < size:
            product *= parts[place]
            place += 1
        if product != size:
            return False
    return place == len(parts)
