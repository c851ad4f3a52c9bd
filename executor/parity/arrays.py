"""What comes out of a box, read as hostile data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from executor.harness.codec import PacketError, unpack

MAX_JSON = 8 * 1024 * 1024


class Unreadable(ValueError):
    """A box left something that is not what its harness writes. The text names the file."""


def read_packet(files: Mapping[str, bytes], name: str) -> Any:
    """The tree in packet `name`. Raises Unreadable when it is absent or malformed."""
    if name not in files:
        raise Unreadable(f"{name} is missing.")
    try:
        return unpack(files[name])
    except PacketError as error:
        raise Unreadable(f"{name}: {error}") from error


def read_json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """The JSON object in file `name`. Raises Unreadable when it is absent or malformed."""
    if name not in files:
        raise Unreadable(f"{name} is missing.")
    if len(files[name]) > MAX_JSON:
        raise Unreadable(f"{name} is larger than {MAX_JSON:,} bytes.")
    try:
        data = json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{name} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Unreadable(f"{name} is not a JSON object.")
    return data
