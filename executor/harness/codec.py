"""Values as bytes and back, without pickles: plain trees of arrays, numbers and text.

One packet is an uncompressed .npz: its member `tree` is JSON, the others are the arrays it names.
Read on the trusted side too, where every packet is hostile: sizes are checked before memory is
taken, and nothing in a packet can run code. Needs NumPy only.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Past these a packet is refused, whatever it claims.
MAX_BYTES = 512 * 1024 * 1024
MAX_NODES = 200_000
MAX_TREE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_RANK = 32
PLAIN_KINDS = "biufc"
MAX_HEADER = 10_000
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[A-Za-z]\d{0,4})', 'fortran_order': (True|False), "
    rb"'shape': (\((?:\d{1,19}(?:, ?|(?=\))))*\)), ?\}\s*"
)
# NumPy writes these as raw bytes; the tree keeps their name.
EXTENSION_TYPES = (
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3b11fnuz",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "int4",
    "uint4",
)


class PacketError(ValueError):
    """The bytes are not a packet, or larger than allowed. The text says which."""


class Opaque:
    """Stands for a value that is neither array, number, text nor a container of these."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"Opaque({self.type_name!r})"


def pack(value: Any) -> bytes:
    """Bytes of a tree of arrays, numbers, text, None, lists, tuples and dicts.

    Arrays are anything NumPy turns into a numeric array without help (give torch and jax arrays
    as NumPy arrays). What cannot be written is kept as the name of its type (see Opaque).
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = json.dumps(_describe(value, arrays, 0), separators=(",", ":")).encode()
    buffer = io.BytesIO()
    members: dict[str, Any] = {"tree": np.frombuffer(tree, dtype=np.uint8), **arrays}
    np.savez(buffer, allow_pickle=False, **members)
    return buffer.getvalue()


def unpack(data: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """The tree in a packet. Raises PacketError for anything that is not a well-formed packet."""
    arrays = read_npz(data, max_bytes)
    tree = arrays.get("tree")
    if tree is None or tree.dtype != np.uint8 or tree.size > MAX_TREE_BYTES:
        raise PacketError("The packet has no readable tree.")
    try:
        described = json.loads(tree.tobytes())
    except (ValueError, RecursionError) as error:
        raise PacketError(f"The packet's tree is not JSON: {error}") from error
    return _restore(described, arrays, _Counter(), 0)


def read_npz(data: bytes, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of an .npz by name. Object arrays and over-large members raise PacketError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_NODES or sum(each.file_size for each in members) > max_bytes:
                raise PacketError(f"The packet is larger than {max_bytes:,} bytes unpacked.")
            return {
                member.filename.removesuffix(".npy"): read_npy(archive.read(member))
                for member in members
            }
    except PacketError:
        raise
    except Exception as error:
        # A damaged archive makes zipfile raise almost anything.
        raise PacketError(f"Not an .npz: {error}") from error


def read_npy(data: bytes) -> np.ndarray[Any, Any]:
    """One array. The header's shape is checked against the bytes before memory is taken."""
    shape, fortran, dtype, offset = _read_header(data)
    if dtype.hasobject or dtype.kind not in PLAIN_KINDS + "V" or dtype.fields is not None:
        raise PacketError(f"Arrays of dtype {dtype} are not read.")
    if len(shape) > MAX_RANK or any(not isinstance(n, int) or n < 0 for n in shape):
        raise PacketError("The array's shape is not one.")
    if math.prod(shape) * dtype.itemsize != len(data) - offset:
        raise PacketError("The array's shape does not fit its bytes.")
    flat = np.frombuffer(data, dtype=dtype, offset=offset)
    return flat.reshape(shape, order="F" if fortran else "C")


def _read_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, dtype, and where the numbers begin.

    NumPy's own reader evaluates the header as Python, and Python 3.11 raises SystemError when two
    threads build syntax trees at once.
    """
    length_bytes = {(1, 0): 2, (2, 0): 4}.get((data[6], data[7])) if len(data) > 7 else None
    if not data.startswith(b"\x93NUMPY") or length_bytes is None:
        raise PacketError("Not an .npy of version 1.0 or 2.0.")
    begin = 8 + length_bytes
    offset = begin + int.from_bytes(data[8:begin], "little")
    header = _HEADER.fullmatch(data[begin:offset]) if offset - begin <= MAX_HEADER else None
    if header is None or len(data) < offset:
        raise PacketError("The .npy's header does not describe an array of plain numbers.")
    descr, fortran, shape = (part.decode() for part in header.groups())
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as error:
        raise PacketError(f"Not an .npy: {error}") from error
    return tuple(int(n) for n in re.findall(r"\d+", shape)), fortran == "True", dtype, offset


class _Counter:
    """Counts nodes, so that a small packet cannot unfold into a huge tree."""

    def __init__(self) -> None:
        self.nodes = 0

    def add(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise PacketError(f"The packet has more than {MAX_NODES:,} values.")


def _describe(value: Any, arrays: dict[str, np.ndarray[Any, Any]], depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        return ["opaque", "nested too deep"]
    if isinstance(value, np.ndarray | np.generic | complex):
        return _describe_array(np.asarray(value), arrays)
    if isinstance(value, Mapping):
        items = [[str(key), _describe(each, arrays, depth + 1)] for key, each in value.items()]
        return ["dict", items]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, [_describe(each, arrays, depth + 1) for each in value]]
    return _describe_plain(value)


def _describe_plain(value: Any) -> list[Any]:
    if value is None:
        return ["none"]
    if isinstance(value, bool | str):
        return [type(value).__name__ if type(value) in (bool, str) else "str", value]
    if isinstance(value, int) and abs(value) < 2**63:
        return ["int", str(int(value))]
    if isinstance(value, float):
        return ["float", float(value).hex() if math.isfinite(value) else repr(float(value))]
    return ["opaque", type(value).__name__]


def _describe_array(
    array: np.ndarray[Any, Any], arrays: dict[str, np.ndarray[Any, Any]]
) -> list[Any]:
    name = array.dtype.name
    if array.dtype.kind not in PLAIN_KINDS and name not in EXTENSION_TYPES:
        return ["opaque", f"array of {name}"]
    key = f"a{len(arrays)}"
    if name in EXTENSION_TYPES:
        arrays[key] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    else:
        arrays[key] = array
    return ["array", key, name, list(array.shape)]


def _restore(
    node: Any, arrays: Mapping[str, np.ndarray[Any, Any]], counter: _Counter, depth: int
) -> Any:
    counter.add()
    if depth > MAX_DEPTH or not isinstance(node, list) or not node:
        raise PacketError("The packet's tree is malformed.")
    try:
        return _restore_node(node, arrays, counter, depth)
    except PacketError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise PacketError(f"The packet's tree is malformed: {error}") from error


def _restore_node(
    node: list[Any], arrays: Mapping[str, np.ndarray[Any, Any]], counter: _Counter, depth: int
) -> Any:
    kind = node[0]
    if kind in PLAIN_READERS:
        return PLAIN_READERS[kind](node)
    if kind == "dict":
        return {str(key): _restore(each, arrays, counter, depth + 1) for key, each in node[1]}
    if kind in ("list", "tuple"):
        items = [_restore(each, arrays, counter, depth + 1) for each in node[1]]
        return tuple(items) if kind == "tuple" else items
    if kind == "array":
        return _restore_array(arrays[node[1]], str(node[2]), tuple(node[3]))
    raise PacketError(f"Unknown value of kind {kind!r} in the packet.")


def _restore_float(node: list[Any]) -> float:
    text = str(node[1])[:40]
    return float(text) if text in ("nan", "inf", "-inf") else float.fromhex(text)


PLAIN_READERS: Mapping[str, Callable[[list[Any]], Any]] = {
    "none": lambda node: None,
    "bool": lambda node: bool(node[1]),
    "int": lambda node: int(str(node[1])[:20]),
    "float": _restore_float,
    "str": lambda node: str(node[1]),
    "opaque": lambda node: Opaque(str(node[1])[:200]),
}


def _restore_array(
    array: np.ndarray[Any, Any], name: str, shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    if name in EXTENSION_TYPES:
        import ml_dtypes

        dtype = np.dtype(getattr(ml_dtypes, name))
        restored: np.ndarray[Any, Any] = array.view(dtype).reshape(shape)
        return restored
    if array.dtype.name != name or array.shape != shape:
        raise PacketError("An array is not what the packet's tree says.")
    return array
