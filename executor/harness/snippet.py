"""Run a person's snippet as a module, with its own file name in every traceback."""

from __future__ import annotations

import ast
import contextlib
import linecache
import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import constants as literals

MAX_TEXT = 20_000
HARNESS = f"/{Path(__file__).parent.name}/"


def load(path: Path, name: str, constants: Mapping[str, Any] | None = None) -> types.ModuleType:
    """Execute the file as module `name` with constants overridden; what it raises, is raised."""
    source = path.read_text(encoding="utf-8", errors="replace")
    file_name = f"{name}.py"
    lines = source.splitlines(keepends=True)
    linecache.cache[file_name] = (len(source), None, lines, file_name)
    tree = literals.override(ast.parse(source, file_name), constants or {})
    module = types.ModuleType(name)
    module.__file__ = file_name
    sys.modules[name] = module
    exec(compile(tree, file_name, "exec"), module.__dict__)  # noqa: S102 - this is the box's work
    return module


def run_lines(code: str, name: str, namespace: dict[str, Any]) -> None:
    """Execute further lines in a snippet's namespace, under a file name of their own."""
    file_name = f"{name}.py"
    lines = code.splitlines(keepends=True)
    linecache.cache[file_name] = (len(code), None, lines, file_name)
    exec(compile(code, file_name, "exec"), namespace)  # noqa: S102 - this is the box's work


def describe_error(error: BaseException, name: str) -> dict[str, Any]:
    """What a person needs of an exception: type, text, their line, and their frames only."""
    file_name = f"{name}.py"
    stack = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in stack if frame.filename == file_name]
    line = own[-1].lineno if own else getattr(error, "lineno", None)
    return {
        "type": type(error).__name__,
        "text": _text(error)[:MAX_TEXT],
        "line": line if isinstance(line, int) else None,
        "traceback": _shorten(_trimmed(error, stack, file_name)),
        "module": getattr(error, "name", None) if isinstance(error, ImportError) else None,
        "ours": _is_ours(error, stack),
    }


def _is_ours(error: BaseException, stack: traceback.StackSummary) -> bool:
    """Whether the harness itself broke: it raised, and not because a call did not fit."""
    innermost = stack[-1].filename if stack else ""
    return HARNESS in innermost and type(error) in (
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        NameError,
        UnboundLocalError,
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"


def _trimmed(error: BaseException, stack: traceback.StackSummary, file_name: str) -> str:
    """The traceback from the person's first frame on; none of the harness's own."""
    start = next((i for i, frame in enumerate(stack) if frame.filename == file_name), len(stack))
    kept = [frame for frame in stack[start:] if HARNESS not in frame.filename]
    head = ["Traceback (most recent call last):\n"] if kept else []
    last = [f"{type(error).__name__}: {_text(error)}\n"]
    if isinstance(error, SyntaxError):
        with contextlib.suppress(Exception):
            last = traceback.format_exception_only(error)
    return "".join(head + traceback.format_list(kept) + last)


def _shorten(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return text[: MAX_TEXT // 2] + "\n... (shortened) ...\n" + text[-MAX_TEXT // 2 :]
