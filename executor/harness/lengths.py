"""How long a program trains: numbers of epochs and steps, found and overridden by name.

They stand at module level, in `main()`, or in a loop: `for epoch in range(100)` has its number
under the name `range_epoch`. Standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from . import constants as literals

NAMES = frozenset(
    [
        "epochs",
        "num_epochs",
        "n_epochs",
        "nb_epochs",
        "max_epochs",
        "total_epochs",
        "num_steps",
        "n_steps",
        "steps",
        "max_steps",
        "total_steps",
        "train_steps",
        "iterations",
        "n_iterations",
        "num_iterations",
        "n_iter",
        "n_iters",
        "num_iters",
        "max_iter",
        "max_iters",
        "iters",
        "episodes",
        "num_episodes",
        "n_episodes",
    ]
)
LOOPS = frozenset(["epoch", "ep", "step", "it", "iteration", "iter_", "episode"])
PREFIX = "range_"


def main_of(tree: ast.Module) -> ast.FunctionDef | None:
    """The program's `main()`, None when it has no plain one."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "main" and not node.decorator_list:
            return node
    return None


def find(tree: ast.Module) -> dict[str, int]:
    """Name -> number of epochs or steps."""
    found = literals.find(tree)
    main = main_of(tree)
    if main is not None:
        found |= literals.find(ast.Module(body=main.body, type_ignores=[]))
    lengths = {
        name: value
        for name, value in found.items()
        if name.lower() in NAMES and isinstance(value, int) and not isinstance(value, bool)
    }
    for name, number in loops(tree):
        lengths.setdefault(name, int(number.value))  # type: ignore[arg-type]
    return lengths


def loops(tree: ast.AST) -> Iterator[tuple[str, ast.Constant]]:
    """(name, the literal) of every loop over `range(literal)` that counts epochs or steps."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.For) or not isinstance(node.target, ast.Name):
            continue
        call = node.iter
        if isinstance(call, ast.Call) and call.args and not isinstance(call.args[0], ast.Constant):
            # `tqdm(range(100))`
            call = call.args[0]
        plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if not plain or call.func.id not in ("range", "trange") or len(call.args) != 1:  # type: ignore[attr-defined]
            continue
        number = call.args[0]  # type: ignore[attr-defined]
        if (
            node.target.id in LOOPS
            and isinstance(number, ast.Constant)
            and type(number.value) is int
        ):
            yield f"{PREFIX}{node.target.id}", number


def override(tree: ast.Module, constants: Mapping[str, Any]) -> ast.Module:
    """The program with constants overridden: at module level, in `main()`, and in loops."""
    changed = literals.override(tree, constants)
    main = main_of(changed)
    if main is not None:
        main.body = literals.override(ast.Module(main.body, []), constants).body
    for name, number in loops(changed):
        if isinstance(constants.get(name), int):
            number.value = constants[name]
    return ast.fix_missing_locations(changed)


def shorter(ours: ast.Module, theirs: ast.Module) -> dict[str, int]:
    """Overrides that shorten both programs alike, a twentieth of each length.

    The programs may name a length differently, but it has to be the same number. A length stays
    long enough for what is done every so many steps. Empty when a length has no counterpart.
    """
    left, right = find(ours), find(theirs)
    values = {value for value in left.values() if value > 2}
    if not values or not values <= set(right.values()):
        return {}
    return {
        name: max(2, value // 20, cadence(ours, value))
        for name, value in {**right, **left}.items()
        if value in values
    }


def cadence(tree: ast.Module, length: int) -> int:
    """The largest `n` of the program's `% n` that fits twice into a length, 0 without any."""
    moduli = [
        node.right.value
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod)
        and isinstance(node.right, ast.Constant)
        and type(node.right.value) is int
    ]
    return max((each for each in moduli if 0 < 2 * each <= length), default=0)
