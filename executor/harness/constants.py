"""Module-level literal constants of a snippet: find them, override them by name.

Works on the syntax tree, so that line numbers in tracebacks stay those of the person's file.
Standard library only.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_POWER = 64
OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteral(ValueError):
    """The expression is not a literal constant."""


def find(tree: ast.Module) -> dict[str, Any]:
    """Name -> value of every module-level literal constant; the last assignment wins.

    Values are numbers, text, booleans, None, and tuples of these. Arithmetic on numbers counts as
    literal (`16384 * 2`), an expression that names another constant does not.
    """
    found: dict[str, Any] = {}
    for statement in tree.body:
        for name, node in _assignments(statement):
            try:
                found[name] = evaluate(node)
            except NotLiteral:
                found.pop(name, None)
    return found


def override(tree: ast.Module, constants: Mapping[str, Any]) -> ast.Module:
    """The same tree with each named module-level literal replaced. Unknown names change nothing."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        body.extend(_override_statement(statement, constants))
    changed = ast.Module(body=body, type_ignores=tree.type_ignores)
    return ast.fix_missing_locations(changed)


def evaluate(node: ast.expr) -> Any:
    """Value of a literal expression. Raises NotLiteral for anything else."""
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(evaluate(each) for each in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(evaluate(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return _arithmetic(type(node.op), evaluate(node.left), evaluate(node.right))
    raise NotLiteral(ast.dump(node)[:80])


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotLiteral(repr(value)[:80])
    return value


def _arithmetic(kind: type[ast.operator], left: Any, right: Any) -> Any:
    if kind is ast.Pow and abs(_number(right)) > MAX_POWER:
        raise NotLiteral("power too large")
    try:
        return OPERATORS[kind](_number(left), _number(right))
    except ArithmeticError as error:
        raise NotLiteral(str(error)) from error


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The (name, expression) pairs a module-level statement assigns, tuples taken apart."""
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _pairs(statement.target, statement.value)
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _pairs(target, statement.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif (
        isinstance(target, ast.Tuple | ast.List)
        and isinstance(value, ast.Tuple | ast.List)
        and len(target.elts) == len(value.elts)
    ):
        for left, right in zip(target.elts, value.elts, strict=True):
            yield from _pairs(left, right)


def _override_statement(statement: ast.stmt, constants: Mapping[str, Any]) -> list[ast.stmt]:
    pairs = list(_assignments(statement))
    if not any(name in constants and _is_literal(node) for name, node in pairs):
        return [statement]
    return [_assign(statement, name, node, constants) for name, node in pairs]


def _assign(
    statement: ast.stmt, name: str, node: ast.expr, constants: Mapping[str, Any]
) -> ast.stmt:
    value = node
    if name in constants and _is_literal(node):
        value = _literal(constants[name], isinstance(node, ast.List))
    made = ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value)
    return ast.copy_location(made, statement)


def _is_literal(node: ast.expr) -> bool:
    try:
        evaluate(node)
    except NotLiteral:
        return False
    return True


def _literal(value: Any, as_list: bool) -> ast.expr:
    if isinstance(value, list | tuple):
        elements = [_literal(each, as_list) for each in value]
        return (
            ast.List(elts=elements, ctx=ast.Load())
            if as_list
            else ast.Tuple(elts=elements, ctx=ast.Load())
        )
    return ast.Constant(value=value)
