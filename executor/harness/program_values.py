"""What a finished program leaves behind, as plain arrays: its variables and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import report

RUN = report.BOX / "run"
MAX_VALUES = 400
MAX_VALUE_BYTES = 16 * 1024 * 1024
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_ITEMS = 200_000
MAX_FILES = 64
MAX_FILE_BYTES = 8 * 1024 * 1024
TEXT_FILES = (".csv", ".tsv", ".txt", ".log", ".json", ".jsonl")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp")

# Turns a framework's own value into a NumPy array, or None when it is not one.
Convert = Callable[[Any], "np.ndarray[Any, Any] | None"]


def module_values(namespace: Mapping[str, Any], convert: Convert) -> dict[str, Any]:
    """Module-level numeric variables by name, within limits; dictionaries by dotted names."""
    found: dict[str, Any] = {}
    budget = MAX_TOTAL_BYTES
    for name, value in list(namespace.items()):
        if name.startswith("_") or not isinstance(name, str):
            continue
        for path, array in flatten(name, value, convert, 0):
            if len(found) >= MAX_VALUES or array.nbytes > min(budget, MAX_VALUE_BYTES):
                break
            budget -= array.nbytes
            found[path] = array
    return found


def flatten(
    name: str, value: Any, convert: Convert, depth: int
) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """(dotted name, array) of a value: one for a number or an array, several for a dictionary."""
    if isinstance(value, Mapping) and depth < 4:
        return [
            pair
            for key, each in list(value.items())[:MAX_VALUES]
            if isinstance(key, str | int)
            for pair in flatten(f"{name}.{key}", each, convert, depth + 1)
        ]
    try:
        array = to_array(value, convert)
    except Exception:
        return []
    return [] if array is None else [(name, array)]


def to_array(value: Any, convert: Convert) -> np.ndarray[Any, Any] | None:
    """A number, an array, or a list of these as one array; None for anything else."""
    if isinstance(value, bool | int | float | complex):
        return plain(np.asarray(value))
    if isinstance(value, np.ndarray | np.generic):
        return plain(np.asarray(value))
    converted = convert(value)
    if converted is not None:
        return plain(converted)
    if type(value) in (list, tuple) and 0 < len(value) <= MAX_ITEMS:
        items = [to_array(each, convert) for each in value]
        if any(item is None for item in items):
            return None
        if len({item.shape for item in items if item is not None}) == 1:
            return plain(np.stack([item for item in items if item is not None]))
    return None


def plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Numeric arrays only; short floats that NumPy does not have are widened."""
    if array.dtype.kind == "V" or array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        return array.astype(np.float32)
    return array if array.dtype.kind in "biufc" else None


def snapshot() -> dict[str, tuple[int, int]]:
    """Size and time of every regular file in the program's folder, by relative name."""
    found = {}
    for path in sorted(RUN.rglob("*")):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            found[str(path.relative_to(RUN))] = (stat.st_size, stat.st_mtime_ns)
    return found


def written_files(before: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Files that the program wrote: text as text, arrays and images as arrays, others by size."""
    found: dict[str, Any] = {}
    for name, stamp in snapshot().items():
        if before.get(name) == stamp or len(found) >= MAX_FILES or "__pycache__" in name:
            continue
        try:
            found[name] = read_file(RUN / name)
        except Exception:
            found[name] = {"kind": "other"}
    return found


def read_file(path: Path) -> dict[str, Any]:
    suffix = path.suffix.lower()
    if path.stat().st_size > MAX_FILE_BYTES:
        return {"kind": "other"}
    if suffix in TEXT_FILES:
        return {"kind": "text", "text": path.read_bytes().decode("utf-8", "replace")}
    if suffix == ".npy":
        return {"kind": "arrays", "arrays": {"": np.load(path, allow_pickle=False)}}
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {"kind": "arrays", "arrays": {key: archive[key] for key in archive.files}}
    if suffix in IMAGES:
        from PIL import Image

        with Image.open(path) as image:
            return {"kind": "image", "pixels": np.asarray(image.convert("RGB"))}
    return {"kind": "other"}
