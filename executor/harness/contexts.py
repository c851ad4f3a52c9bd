"""MLIR contexts shared by what a thread lowers.

JAX makes a context with all its dialects for every computation that it lowers, also for each single
operation of a program that runs step by step: longer work than the lowering itself.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from jax._src.interpreters import mlir

# A context keeps the constants of all that was lowered in it; JAX's own live as long as the code.
USES = 50


class Shared(threading.local):
    """One context a thread, renewed after so many uses."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.context: Any = None
        self.left = 0

    def take(self) -> Any:
        if not self.left:
            self.context, self.left = self.make(), USES
        self.left -= 1
        return self.context


def install() -> None:
    """From here on; nothing happens in a JAX whose insides are other ones."""
    make = getattr(mlir, "make_ir_context", None)
    if make is not None and not inspect.signature(make).parameters:
        mlir.make_ir_context = Shared(make).take
