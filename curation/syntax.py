"""Syntax trees of other people's code."""

from __future__ import annotations

import ast
import warnings

TRIES = 10


def tree(code: str) -> ast.Module:
    """`ast.parse` without warnings. Raises what it raises.

    Python 3.11 raises SystemError when two threads build trees at once, so that is tried again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(TRIES - 1):
            try:
                return ast.parse(code)
            except SystemError:
                continue
        return ast.parse(code)
