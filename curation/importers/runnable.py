"""Whether a PyTorch program stands a chance to run, told from its text alone."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from curation.importers.values import MOST_PARSED
from curation.syntax import tree

# Comments that stand for code which was left out.
_ELIDED = re.compile(
    r"""^\#+\s*(?:\.\.\.|…)
    | ^\#+\s*\W*(?:\w+\W+){0,4}(?:omitted|elided)\W*$
    | (?:omitted|elided)\ for\ (?:brevity|simplicity|clarity)
    | \b(?:code|rest|definitions?|implementation|lines)\b.*\b(?:omitted|elided|unchanged)\b
    | \(\s*data\ gen(?:eration)?\b.*\)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def why_not_runnable(code: str) -> str:
    """A sentence that says why `code` cannot run, or "" when nothing speaks against it."""
    if not code.strip():
        return "The program is empty."
    if len(code) > MOST_PARSED:
        return f"The program is longer than {MOST_PARSED:,} characters."
    try:
        parsed = tree(code)
    except SyntaxError as error:
        return f"The program does not parse: line {error.lineno}: {error.msg}."[:500]
    except (ValueError, RecursionError, MemoryError):
        return "The program does not parse: it is nested too deeply."
    for line, comment in _comments(code) if _may_be_elided(code) else ():
        if _ELIDED.search(comment[:300]):
            return f"Code was left out at line {line}: {comment[:200]}"
    bare = _bare_ellipsis(parsed) if "..." in code else None
    return f"Code was left out at line {bare}: a bare “...”." if bare else ""


def _may_be_elided(code: str) -> bool:
    """Whether any line looks like it; telling comments from texts apart takes long."""
    marked = (line.partition("#") for line in code.splitlines() if "#" in line)
    return any(_ELIDED.search(f"#{text[:300]}") or "#" in text for _, _, text in marked)


def _comments(code: str) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, IndentationError, RecursionError):
        return


def _bare_ellipsis(parsed: ast.Module) -> int | None:
    """The line of a statement `...` that stands for code.

    It does not in protocols, overloads, abstract methods and empty classes.
    """
    stack: list[ast.AST] = [parsed]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            marks += [ast.unparse(base) for base in getattr(node, "bases", [])]
            if any(re.search(r"overload|abstractmethod|Protocol", mark) for mark in marks):
                continue
        if isinstance(node, ast.ClassDef) and isinstance(node.body[-1], ast.Expr):
            continue
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and node.value.value is Ellipsis
        ):
            return node.lineno
        stack.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return None
