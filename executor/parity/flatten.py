"""Outputs of any structure as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from executor.harness.codec import Opaque

Array = np.ndarray[Any, Any]


def flatten(value: Any, name: str) -> dict[str, Array | str]:
    """Named leaves of an output: `output`, `output[0]`, `output.logits`.

    Numbers become 0-d arrays, text and opaque values become text, None disappears. A list and a
    tuple of the same items are the same output.
    """
    if value is None:
        return {}
    if isinstance(value, np.ndarray):
        return {name: value}
    if isinstance(value, Mapping):
        found: dict[str, Array | str] = {}
        for key in sorted(value):
            found.update(flatten(value[key], f"{name}.{key}"))
        return found
    if isinstance(value, list | tuple):
        found = {}
        for place, each in enumerate(value):
            found.update(flatten(each, f"{name}[{place}]"))
        return found
    if isinstance(value, bool | int | float):
        return {name: np.asarray(value)}
    return {name: value.type_name if isinstance(value, Opaque) else str(value)}


def arrays(value: Any, name: str) -> dict[str, Array]:
    """Only the arrays of `flatten`."""
    return {key: each for key, each in flatten(value, name).items() if isinstance(each, np.ndarray)}
