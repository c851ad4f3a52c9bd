"""The concrete syntax tree of Python source, broken source included, as plain objects."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Parser, TreeCursor
from tree_sitter import Node as ParsedNode


@dataclass(slots=True, eq=False)
class Node:
    """One node: `kind` as the grammar names it, `span` in bytes, `text` for leaves only.

    `shape` is a digest of the subtree's s-expression; it is empty where that shows nothing.
    """

    kind: str
    label: str | None
    span: tuple[int, int]
    named: bool
    missing: bool
    children: list["Node"] = field(default_factory=list)
    text: str = ""
    shape: bytes = b""

    def part(self, name: str) -> "Node | None":
        """The first child whose `label`, the grammar's name of a field, is `name`."""
        return next((child for child in self.children if child.label == name), None)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_python.language()))


def parse(source: str) -> tuple[Node, int]:
    """The tree of `source` and its depth (1 for a lone root)."""
    data = source.encode("utf-8", "replace")
    cursor = _parser().parse(data).walk()
    root = _node(cursor, data)
    path = [root]
    deepest = 1
    while True:
        if cursor.goto_first_child():
            child = _node(cursor, data)
            path[-1].children.append(child)
            path.append(child)
            deepest = max(deepest, len(path))
            continue
        _close(path.pop())
        while not cursor.goto_next_sibling():
            if not path:
                return root, deepest
            cursor.goto_parent()
            _close(path.pop())
        sibling = _node(cursor, data)
        path[-1].children.append(sibling)
        path.append(sibling)


def _node(cursor: TreeCursor, data: bytes) -> Node:
    found = cursor.node
    assert isinstance(found, ParsedNode)
    span = (found.start_byte, found.end_byte)
    node = Node(found.type, cursor.field_name, span, found.is_named, found.is_missing)
    if not found.child_count or found.type == "string":
        node.text = data[span[0] : span[1]].decode("utf-8", "replace")
    return node


def _close(node: Node) -> None:
    """Digest a node whose children are complete: kind, fields and shapes, no anonymous tokens."""
    if not node.named and not node.missing and not node.children:
        return
    lookahead = node.text[:1] if node.kind == "ERROR" and not node.children else ""
    head = f"{node.kind}{lookahead}{node.missing}"
    parts = [f"{child.label}:".encode() + child.shape for child in node.children if child.shape]
    node.shape = hashlib.blake2b(head.encode() + b"".join(parts), digest_size=12).digest()


def walk(root: Node) -> Iterator[Node]:
    """Every node, parents first, left to right."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def subtrees(root: Node) -> Counter[bytes]:
    """How often each shape of a subtree occurs; leaves do not count, the root always does."""
    found = Counter(node.shape for node in walk(root) if node.children)
    if not root.children:
        found[root.shape] += 1
    return found
