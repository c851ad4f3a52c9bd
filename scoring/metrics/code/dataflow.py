"""Where the values of a Python program come from: the data-flow graph of CodeBLEU.

After Guo et al. 2021 (GraphCodeBERT), section 3, as Ren et al. 2020 (CodeBLEU), section 3.3, use
it: a relation says that the variable at one position is computed from, or comes from, others.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from scoring.metrics.code.tree import Node

Relation = Literal["comesFrom", "computedFrom"]
# A relation without names: a variable's number, how, the numbers of its sources.
Flow: TypeAlias = tuple[int, Relation, tuple[int, ...]]
States: TypeAlias = dict[str, list[int]]
Item = TypeVar("Item")

# Loops are followed twice, so nesting doubles the work.
MAX_WORK = 500_000
MAX_DEPTH = 20_000


class TooComplex(Exception):
    """The program is too deep or too nested to follow; the text says which."""


@dataclass(slots=True)
class _Edge:
    """The variable `name` at position `at` and what it comes from; positions count leaves."""

    name: str
    at: int
    how: Relation
    names: list[str] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)


def data_flow(root: Node, depth: int) -> Counter[Flow]:
    """The relations of a program with variables numbered by first appearance.

    Raises:
        TooComplex: beyond MAX_DEPTH or MAX_WORK.
    """
    if depth > MAX_DEPTH:
        raise TooComplex(f"its expressions nest {depth} levels deep")
    with _room_for(depth):
        edges = _Follower(root).edges()
    edges.sort(key=lambda edge: edge.at)
    return Counter(_unnamed(_merged(_connected(edges))))


@contextmanager
def _room_for(depth: int) -> Iterator[None]:
    """Python's own limit would lose the data flow of a long sum."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 4 * depth + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _connected(edges: list[_Edge]) -> list[_Edge]:
    """Edges of positions that take part in any relation."""
    linked = {edge.at for edge in edges if edge.sources}
    linked.update(source for edge in edges for source in edge.sources)
    return [edge for edge in edges if edge.at in linked]


def _merged(edges: list[_Edge]) -> list[_Edge]:
    """One edge per position; sources in order of first appearance."""
    by_position: dict[int, _Edge] = {}
    for edge in edges:
        first = by_position.get(edge.at)
        if first is None:
            by_position[edge.at] = edge
        else:
            by_position[edge.at] = _Edge(
                edge.name,
                edge.at,
                edge.how,
                _distinct(first.names, edge.names),
                _distinct(first.sources, edge.sources),
            )
    return list(by_position.values())


def _unnamed(edges: list[_Edge]) -> Iterator[Flow]:
    numbers: dict[str, int] = {}
    for edge in edges:
        sources = tuple(numbers.setdefault(name, len(numbers)) for name in edge.names)
        yield numbers.setdefault(edge.name, len(numbers)), edge.how, sources


def _distinct(*lists: Iterable[Item]) -> list[Item]:
    """All items once, in order of first appearance: a set's order changes between processes."""
    return list(dict.fromkeys(item for items in lists for item in items))


class _Follower:
    """Follows a program once, with the last positions of each variable as state."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.work = 0
        # A missing token has no width: the last leaf of a span stands for all of them.
        self.positions = {
            leaf.span: (at, leaf.text.replace("\n", "")) for at, leaf in enumerate(leaves(root))
        }
        self.rules: dict[str, Callable[[Node, States], list[_Edge]]] = {
            "default_parameter": self._default,
            "assignment": self._assignment,
            "augmented_assignment": self._assignment,
            "for_in_clause": self._assignment,
            "if_statement": self._if,
            "for_statement": self._for,
            "while_statement": self._while,
        }

    def edges(self) -> list[_Edge]:
        return self._follow(self.root, {})

    def _follow(self, node: Node, states: States) -> list[_Edge]:
        """The edges of `node`; `states` is brought up to date."""
        self._spend(1)
        if is_leaf(node):
            return self._leaf(node, states)
        return self.rules.get(node.kind, self._in_order)(node, states)

    def _in_order(self, node: Node, states: States) -> list[_Edge]:
        first = [child for child in node.children if child.kind == "for_in_clause"]
        rest = [child for child in node.children if child.kind != "for_in_clause"]
        return self._all(first, states) + self._all(rest, states)

    def _all(self, nodes: Iterable[Node], states: States) -> list[_Edge]:
        return [edge for node in nodes for edge in self._follow(node, states)]

    def _leaf(self, node: Node, states: States) -> list[_Edge]:
        at, name = self.positions[node.span]
        if node.kind == name:
            return []
        if name in states:
            return [_Edge(name, at, "comesFrom", [name], list(states[name]))]
        if node.kind == "identifier":
            states[name] = [at]
        return [_Edge(name, at, "comesFrom")]

    def _default(self, node: Node, states: States) -> list[_Edge]:
        name, value = node.part("name"), node.part("value")
        if name is None or value is None:
            return []
        edges = self._follow(value, states)
        sources = self._variables(value)
        for at, text in self._variables(name):
            edges += [_Edge(text, at, "comesFrom", [each], [there]) for there, each in sources]
            states[text] = [at]
        return edges

    def _assignment(self, node: Node, states: States) -> list[_Edge]:
        left, right = node.part("left"), node.part("right")
        if node.kind == "for_in_clause":
            right = node.children[-1]
        if left is None or right is None:
            return []
        pairs = [(left, right)] if node.kind == "for_in_clause" else _paired(left, right)
        return self._assigned(pairs, states)

    def _while(self, node: Node, states: States) -> list[_Edge]:
        return self._twice(lambda: self._all(node.children, states))

    def _for(self, node: Node, states: States) -> list[_Edge]:
        return self._twice(lambda: self._for_once(node, states))

    def _for_once(self, node: Node, states: States) -> list[_Edge]:
        left, right = node.part("left"), node.part("right")
        if left is None or right is None:
            return []
        edges = self._assigned(_paired(left, right), states)
        if node.children[-1].kind == "block":
            edges += self._follow(node.children[-1], states)
        return edges

    def _assigned(self, pairs: list[tuple[Node, Node]], states: States) -> list[_Edge]:
        edges = self._all([right for _, right in pairs], states)
        for left, right in pairs:
            sources = self._variables(right)
            names, positions = [name for _, name in sources], [at for at, _ in sources]
            for at, name in self._variables(left):
                self._spend(len(sources))
                edges.append(_Edge(name, at, "computedFrom", names, positions))
                states[name] = [at]
        return edges

    def _if(self, node: Node, states: States) -> list[_Edge]:
        """Each branch starts from the same states; afterwards a variable may come from any."""
        edges: list[_Edge] = []
        own, ends = dict(states), []
        has_else = False
        for child in node.children:
            has_else = has_else or "else" in child.kind
            if child.kind in ("elif_clause", "else_clause"):
                branch = dict(states)
                edges += self._follow(child, branch)
                ends.append(branch)
            else:
                edges += self._follow(child, own)
        ends.append(own)
        if not has_else:
            ends.append(dict(states))
        states.clear()
        for end in ends:
            for name, positions in end.items():
                states[name] = sorted({*states.get(name, ()), *positions})
        return edges

    def _twice(self, follow: Callable[[], list[_Edge]]) -> list[_Edge]:
        """A loop's second pass sees what its first left behind."""
        merged: dict[tuple[str, int, Relation], _Edge] = {}
        for edge in follow() + follow():
            key = (edge.name, edge.at, edge.how)
            if key not in merged:
                merged[key] = edge
                continue
            first = merged[key]
            self._spend(len(first.names) + len(edge.names))
            names = _distinct(first.names, edge.names)
            merged[key] = _Edge(*key, names, _distinct(first.sources, edge.sources))
        return list(merged.values())

    def _variables(self, node: Node) -> list[tuple[int, str]]:
        """Position and text of every leaf under `node` that is not a keyword or a sign."""
        found = [(self.positions[leaf.span], leaf) for leaf in leaves(node)]
        self._spend(len(found))
        return [(at, name) for (at, name), leaf in found if leaf.kind != name]

    def _spend(self, amount: int) -> None:
        self.work += amount
        if self.work > MAX_WORK:
            raise TooComplex("its loops or assignments nest too deeply to follow")


def is_leaf(node: Node) -> bool:
    return (not node.children or node.kind == "string") and node.kind != "comment"


def leaves(root: Node) -> Iterator[Node]:
    """The leaves from left to right; a string is one, whatever is inside."""
    stack = [root]
    while stack:
        node = stack.pop()
        if is_leaf(node):
            yield node
        else:
            stack.extend(reversed(node.children))


def _paired(left: Node, right: Node) -> list[tuple[Node, Node]]:
    """`a, b = c, d` item by item where both sides have as many, else side by side."""
    lefts, rights = _items(left), _items(right)
    if len(lefts) != len(rights) or not lefts:
        return [(left, right)]
    return list(zip(lefts, rights, strict=True))


def _items(node: Node) -> list[Node]:
    return [] if is_leaf(node) else [child for child in node.children if child.kind != ","]
