"""Carries the reference's initial parameters into modules that initialise differently.

Only parameters that PyTorch's own layers initialise are carried, and only where the candidate
asked for no draw that could be shared: an initialiser that the program names has to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import bridge, recipe
from .random_replay import State, shared_again
from .units import Leaf, reference_tensors

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Named:
    """Parameters, by leaf path, whose initialiser the program names.

    drawn     it drew numbers, and all of them were shared
    constant  it drew none
    """

    drawn: set[str] = field(default_factory=set)
    constant: set[str] = field(default_factory=set)

    def make(self, path: str, create: Callable[[], Any]) -> Any:
        """Create a parameter with its draws shared, and note how that went."""
        replayer = State.replayer
        assert replayer is not None
        before = (replayer.asked, replayer.unanswered)
        with shared_again():
            value = create()
        if replayer.asked == before[0]:
            self.constant.add(path)
        elif replayer.unanswered == before[1]:
            self.drawn.add(path)
        return value


@dataclass(frozen=True, slots=True)
class Carried:
    """What one module took: the recipe and the initial value of each of its parameters."""

    recipes: Mapping[str, Any]
    initial: Mapping[str, Array]


class Carrier:
    """Hands photographs to modules in the order in which both sides build them."""

    def __init__(self, photos: list[dict[str, Any]]) -> None:
        self.photos = photos
        self.taken: dict[Any, int] = {}
        self.used: set[int] = set()
        self.mapping: list[dict[str, Any]] = []
        self.unmatched: list[dict[str, Any]] = []
        # Number of the photograph -> what was made of it.
        self.plans: dict[int, Carried] = {}

    def carried(
        self, name: str, identity: Any, leaves: Sequence[Leaf], named: Named
    ) -> dict[str, Array]:
        """Leaf path -> the reference's value, for every parameter that is carried over.

        `identity` is equal for two initialisations that give the same parameters.
        """
        parameters = [leaf for leaf in leaves if not leaf.statistic]
        if not parameters:
            return {}
        found = self.find(identity, leaves)
        if found is None:
            size = sum(leaf.size for leaf in parameters)
            self.unmatched.append({"name": name, "size": size, "photos": self.sizes()})
            return {}
        photo, plan = found
        shapes = {leaf.path: leaf.shape for leaf in leaves}
        values = {**photo["parameters"], **photo["buffers"]}
        self.mapping += plan.to_json()
        initial = {
            entry.leaf: recipe.apply(entry.recipe, values).reshape(shapes[entry.leaf])
            for entry in plan.entries.values()
        }
        learned = {leaf.path for leaf in parameters}
        self.plans[self.taken[identity]] = Carried(
            {path: plan.entries[path].recipe for path in initial if path in learned},
            {path: value.astype(np.float32) for path, value in initial.items() if path in learned},
        )
        return {
            path: value
            for path, value in initial.items()
            if not keeps_own(plan.entries[path], photo, named, len(shapes[path]))
        }

    def sizes(self) -> list[int]:
        return [sum(array.size for array in photo["parameters"].values()) for photo in self.photos]

    def find(
        self, identity: Any, leaves: Sequence[Leaf]
    ) -> tuple[dict[str, Any], bridge.Bridge] | None:
        """The photograph taken before for the same initialisation, else the next that fits."""
        order = [self.taken[identity]] if identity in self.taken else []
        order += [number for number in range(len(self.photos)) if number not in self.used]
        for number in order:
            photo = self.photos[number]
            plan = match(photo, leaves)
            if plan is not None:
                self.taken[identity] = number
                self.used.add(number)
                return photo, plan
        return None


def keeps_own(entry: bridge.Entry, photo: Mapping[str, Any], named: Named, rank: int) -> bool:
    """Whether the candidate's own initial value stands.

    A constant that it names stands for a bias that PyTorch draws, not for another constant.
    """
    sources = recipe.names(entry.recipe)
    if any(name in photo["explicit"] for name in sources) or entry.leaf in named.drawn:
        return True
    drawn = any(name in photo["drawn"] for name in sources)
    return entry.leaf in named.constant and (rank > 1 or not drawn)


def match(photo: Mapping[str, Any], leaves: Sequence[Leaf]) -> bridge.Bridge | None:
    """The bridge from a photograph to a tree, None unless it is whole and certain."""
    shapes = {
        group: {name: tuple(array.shape) for name, array in photo[group].items()}
        for group in ("parameters", "buffers")
    }
    tensors = reference_tensors(photo, shapes["parameters"], shapes["buffers"], {})
    plan = bridge.match(photo, tensors, leaves, {})
    statistics = {leaf.path for leaf in leaves if leaf.statistic}
    extra = [path for path in plan.extra if path not in statistics]
    missing = [name for name in plan.missing if name in shapes["parameters"]]
    return None if extra or missing or plan.open else plan
