"""Packets: values survive the way, and hostile bytes do nothing but raise."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from executor.harness.codec import Opaque, PacketError, pack, read_npy, read_npz, unpack
from executor.parity.contract import parsed

DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, np.complex64])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | ARRAYS
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(left: Any, right: Any) -> Any:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(
            left, right, equal_nan=left.dtype.kind in "fc"
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and all(
            same(a, b) for a, b in zip(left, right, strict=True)
        )
    return bool(left == right or (np.isnan(left) and np.isnan(right)))


@given(TREES)
@settings(max_examples=150)
def test_values_survive(value: Any) -> None:
    assert same(value, unpack(pack(value)))


def test_bfloat16_and_float8_survive() -> None:
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
        array = np.array([[1.5, -2.0]], dtype)
        found = unpack(pack([array]))[0]
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)


def test_what_is_no_value_is_named() -> None:
    found = unpack(pack({"model": object()}))["model"]
    assert isinstance(found, Opaque)
    assert found.type_name == "object"


@given(st.binary(max_size=300))
def test_noise_is_refused(data: Any) -> None:
    with pytest.raises(PacketError):
        unpack(data)


@given(st.data())
@settings(max_examples=100)
def test_damaged_packets_raise_nothing_else(data: Any) -> None:
    whole = bytearray(pack({"a": np.arange(20.0), "b": [1, "x", None]}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(whole))
    except PacketError:
        return


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


def test_pickles_are_not_loaded() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(PacketError, match="not read"):
        read_npy(buffer.getvalue())
    with pytest.raises(PacketError):
        unpack(pickle.dumps(Bomb()))


def header(text: Any) -> Any:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_a_header_that_lies_about_the_size_takes_no_memory() -> None:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    with pytest.raises(PacketError, match="does not fit"):
        read_npy(header(text) + b"\0" * 8)


def test_a_zip_bomb_is_refused_before_it_unfolds() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tree.npy", b"\0" * 50_000_000)
    with pytest.raises(PacketError, match="larger than"):
        read_npz(buffer.getvalue(), max_bytes=1_000_000)


def with_tree(tree: Any) -> Any:
    buffer = io.BytesIO()
    np.savez(buffer, tree=np.frombuffer(json.dumps(tree).encode(), np.uint8), a0=np.zeros(2))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "tree",
    [
        [],
        {},
        ["unknown", 1],
        ["array", "a1", "float64", [2]],
        ["array", "a0", "float32", [2]],
        ["array", "a0", "float64", [3]],
        ["int", "9" * 400],
        ["dict", [["a"]]],
        ["list", [["list", 5]]],
    ],
)
def test_malformed_trees_are_refused(tree: Any) -> None:
    if tree == ["int", "9" * 400]:
        assert unpack(with_tree(tree)) == int("9" * 20)
        return
    with pytest.raises(PacketError):
        unpack(with_tree(tree))


def test_threads_read_while_others_parse() -> None:
    """Python 3.11 builds one syntax tree at a time: reading an array must build none."""
    packet = pack({"values": [np.arange(float(n)) for n in range(60)]})
    source = "\n".join(f"x{n} = (a + {n}) * [b, {{c: d}}]" for n in range(2_000))
    with ThreadPoolExecutor(2) as threads:
        read = threads.submit(lambda: [unpack(packet) for _ in range(50)])
        while not read.done():
            parsed(source)
        assert len(read.result()) == 50
