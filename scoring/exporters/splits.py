"""Training, validation and test examples: by problem, near-duplicates on one side. Plain Python.

Two programs are near-duplicates when the Jaccard similarity of their three-word shingles, without
comments and white space, is estimated at NEAR or more (MinHash with 64 permutations; pairs are
found by locality-sensitive hashing in 16 bands of 4, Leskovec, Rajaraman, Ullman 2014, chapter 3).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from zlib import crc32

import numpy as np
import numpy.typing as npt

NEAR = 0.8
SHARES: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}

_PERMUTATIONS, _BANDS = 64, 16
_PRIME = np.uint64((1 << 61) - 1)
_DRAW = np.random.default_rng(7_150_301)
# Below 2**29, so that a product with a 32-bit hash stays within 64 bits.
_FACTORS = _DRAW.integers(1, 1 << 29, _PERMUTATIONS, dtype=np.uint64)[:, None]
_TERMS = _DRAW.integers(0, 1 << 29, _PERMUTATIONS, dtype=np.uint64)[:, None]
_WORD = re.compile(r"[A-Za-z_]\w*|\d+|[^\w\s]")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")

Signature = npt.NDArray[np.uint32]


def signature_of(code: str) -> Signature:
    """The MinHash signature of a program."""
    words = _WORD.findall("\n".join(_COMMENT.sub("", line) for line in code.splitlines()))
    shingles = {
        crc32(" ".join(words[at : at + 3]).encode("utf-8", "replace"))
        for at in range(max(len(words) - 2, 1))
    }
    hashes = np.fromiter(sorted(shingles), np.uint64)
    lowest = np.full(_PERMUTATIONS, _PRIME, np.uint64)
    # Piece by piece: a program of a megabyte would take half a gigabyte at once.
    for piece in np.array_split(hashes, len(hashes) // 4096 + 1):
        mixed = (_FACTORS * piece + _TERMS) % _PRIME
        lowest = np.minimum(lowest, mixed.min(axis=1, initial=_PRIME))
    return (lowest & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def groups_of(signatures: npt.NDArray[np.uint32]) -> list[int]:
    """For each row the first row of its group of near-duplicates."""
    parents = list(range(len(signatures)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for band in np.split(signatures, _BANDS, axis=1):
        _, first, inverse = np.unique(band, axis=0, return_index=True, return_inverse=True)
        for row, other in enumerate(first[inverse.ravel()].tolist()):
            if row != other and np.mean(signatures[row] == signatures[other]) >= NEAR:
                one, two = root(row), root(other)
                parents[max(one, two)] = min(one, two)
    return [root(row) for row in range(len(signatures))]


def split_of(programs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """From (Example_id, code) to the split and the group (its first Example_id) of each.

    The same programs give the same splits, in whatever order they come: groups go by the hash of
    their name to the split that lacks most of its share.
    """
    names, rows = [], []
    for name, code in programs:
        names.append(name)
        rows.append(signature_of(code))
    if not rows:
        return {}
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = [names[index] for index in order]
    groups = [ordered[row] for row in groups_of(np.stack([rows[index] for index in order]))]
    members: dict[str, list[str]] = {}
    for name, group in zip(ordered, groups, strict=True):
        members.setdefault(group, []).append(name)
    return _dealt(members, len(names))


def _dealt(members: dict[str, list[str]], total: int) -> dict[str, tuple[str, str]]:
    lacking = {split: share * total for split, share in SHARES.items()}
    found: dict[str, tuple[str, str]] = {}
    for group in sorted(members, key=lambda name: hashlib.sha256(name.encode()).digest()):
        split = max(lacking, key=lambda each: lacking[each] / SHARES[each])
        lacking[split] -= len(members[group])
        found |= dict.fromkeys(members[group], (split, group))
    return found
