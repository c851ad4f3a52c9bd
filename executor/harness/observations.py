"""The annotator's own probes: lines that run after a snippet and call observe(name, value)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import snippet

MAX_PROBES = 1000


class TooManyProbes(ValueError):
    """observe() was called with more names than a contract may have."""


def collect(code: str, side: str, namespace: dict[str, Any], plain: Callable[[Any], Any]) -> Any:
    """Name -> value (arrays as NumPy arrays), in the order of the calls.

    A name observed more than once keeps every value, in order. Raises what the lines raise.
    """
    found: dict[str, list[Any]] = {}

    def observe(name: str, value: Any) -> Any:
        """Note a value under a name; the value is handed back, so calls can be nested."""
        if len(found) >= MAX_PROBES:
            raise TooManyProbes(f"observe() was called with more than {MAX_PROBES} names.")
        found.setdefault(str(name), []).append(plain(value))
        return value

    snippet.run_lines(code, f"observe_{side}", {**namespace, "observe": observe})
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
