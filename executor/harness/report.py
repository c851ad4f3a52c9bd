"""Where a harness finds its job and leaves its results."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import codec

# The box's own folder; a harness can be run by hand in another one shaped alike.
BOX = Path(os.environ.get("T2J_BOX", "/work"))
IN = BOX / "in"
OUT = BOX / "out"


def job() -> dict[str, Any]:
    """The job's settings."""
    settings: dict[str, Any] = json.loads((IN / "job.json").read_text())
    return settings


def read(name: str) -> Any:
    """The tree in packet `name` of the job."""
    return codec.unpack((IN / name).read_bytes())


def write(name: str, value: Any) -> None:
    """Leave a packet, whole or not at all."""
    _replace(name, codec.pack(value))


def write_json(name: str, value: Any) -> None:
    """Leave a JSON file, whole or not at all."""
    _replace(name, json.dumps(value, allow_nan=False).encode())


def _replace(name: str, data: bytes) -> None:
    draft = OUT / f".{name}.part"
    draft.write_bytes(data)
    draft.replace(OUT / name)
