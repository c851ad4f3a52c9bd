"""What can be read off a program's source before it runs."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from executor.harness.lengths import main_of

ELISION_COMMENT = re.compile(
    r"#[^\n]*(?:\.\.\.|\bomitted\b|\belided\b|\brest of (?:the|your)\b|\bsame as (?:above|before)\b"
    r"|\bremains? (?:the same|unchanged)\b|\byour code here\b)",
    re.IGNORECASE,
)
ELISION_TEXT = re.compile(r"^\s*(?:\.\.\.|\[?\s*\.\.\. .{0,80} \.\.\.\s*\]?)\s*$", re.MULTILINE)
NUMERAL = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """A program's module-level names by how they get their value, and its numerals.

    `libraries` are those it uses whose layers initialise themselves unlike PyTorch's.
    """

    loop_targets: frozenset[str]
    constants: frozenset[str]
    numerals: frozenset[str]
    libraries: tuple[str, ...]


def read_source(tree: ast.Module) -> Source:
    """Names that loops assign, names that are only ever literals, and the numerals in the text."""
    loops: set[str] = set()
    literal: set[str] = set()
    computed: set[str] = set()
    for node in module_level(tree):
        if isinstance(node, ast.For | ast.AsyncFor):
            loops |= names_in(node.target)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                (literal if is_constant(node.value) else computed).update(names_in(target))
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            (literal if is_constant(node.value) else computed).update(names_in(node.target))
        elif isinstance(node, ast.AugAssign):
            computed |= names_in(node.target)
    return Source(
        frozenset(loops),
        frozenset(literal - computed),
        frozenset(numerals(tree)),
        tuple(sorted(packages(tree) & {"flax", "haiku"})),
    )


def numerals(tree: ast.Module) -> set[str]:
    """Numerals in a program's numbers and texts, docstrings and comments left out."""
    found: set[str] = set()
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in documentation:
            continue
        if isinstance(node.value, str):
            found |= set(NUMERAL.findall(node.value))
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            found |= set(NUMERAL.findall(str(node.value)))
    return found


def packages(tree: ast.Module) -> set[str]:
    """Top-level packages that a program imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def module_level(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run at module level or in `main()`, those inside their loops included."""
    found: list[ast.stmt] = []
    main = main_of(tree)
    waiting: list[ast.stmt] = [*tree.body, *(main.body if main is not None else ())]
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


def names_in(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def is_constant(value: ast.expr) -> bool:
    """Whether an expression is made of literals only (`0.01`, `-1`, `(3, 4)`, `2 * 5`).

    An empty list or dictionary is there to be filled, so it is none.
    """
    if isinstance(value, ast.List | ast.Dict) and not ast.dump(value).count("Constant"):
        return False
    return not any(
        isinstance(node, ast.Call | ast.Name | ast.Attribute | ast.Subscript | ast.Await)
        for node in ast.walk(value)
    )


def has_elided_statement(tree: ast.Module) -> bool:
    """Whether a bare `...` stands where code should be (stubs of protocols are not meant)."""
    return any(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and node.value.value is Ellipsis
        for parent in ast.walk(tree)
        if isinstance(parent, ast.Module | ast.FunctionDef | ast.For | ast.If | ast.With)
        for node in parent.body
    )


def looks_elided(code: str) -> bool:
    """Whether comments or text say that code was left out. Weighs only when the program fails."""
    return bool(ELISION_COMMENT.search(code) or ELISION_TEXT.search(code))
