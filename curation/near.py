"""Programs that are nearly equal, found without comparing each with each. Plain Python.

How alike two programs are is the Jaccard similarity of their three-word shingles, without comments
and white space, estimated by MinHash with 64 permutations; pairs are found by locality-sensitive
hashing in bands (Leskovec, Rajaraman, Ullman 2014, chapter 3). Words are told apart and hashed for
a whole program at once: word by word, hashing took longer than storing the program.
"""

import re

import numpy as np
import numpy.typing as npt

# From here on two programs belong to one problem: they may not be in training and test both.
NEAR = 0.8
# From here on one of two programs adds nothing to a dataset.
SAME = 0.9

_PERMUTATIONS = 64
# 16 bands of 4: programs that overlap by NEAR meet in one of them with probability 0.9998.
_NEAR_BANDS = 16
# 8 bands of 8: those that overlap by 0.95 meet with 0.9998, by SAME with 0.99.
_SAME_BANDS = 8
# What follows is not looked at: it would take memory without end.
_MOST_BYTES = 1 << 20
# Programs whose bands are looked up before they are sorted in with the others.
_BATCH = 4096
_LONGEST_WORD = 1024
_COMMENT = re.compile(rb"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)

Signature = npt.NDArray[np.uint32]
_Hashes = npt.NDArray[np.uint64]

_DRAW = np.random.default_rng(7_150_301)


def _odd(size: int | tuple[int, ...]) -> _Hashes:
    """Random odd factors: multiplying by them loses nothing when it overflows."""
    return _DRAW.integers(0, 1 << 63, size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


_IN_WORDS = np.zeros(256, dtype=bool)
_IN_WORDS[[byte for byte in range(256) if chr(byte).isalnum() or chr(byte) == "_"]] = True
_IN_WORDS[128:] = True  # parts of letters beyond ASCII
_SPACE = np.zeros(256, dtype=bool)
_SPACE[: ord(" ") + 1] = True
_BYTES = np.where(_SPACE, np.uint64(0), _odd(256))
_PLACES = _odd(_LONGEST_WORD)
_SHINGLE = _odd(3)
_MIX = _odd(1)[0]
_FACTORS = _odd((_PERMUTATIONS, 1)).astype(np.uint32)
_TERMS = _odd((_PERMUTATIONS, 1)).astype(np.uint32)
_BAND = _odd((_SAME_BANDS, _PERMUTATIONS // _SAME_BANDS))


def signature_of(code: str) -> Signature:
    """The MinHash signature of a program."""
    words = _words(_COMMENT.sub(b"", code.encode("utf-8", "replace")[:_MOST_BYTES]))
    words = np.concatenate([words, np.zeros(max(3 - len(words), 0), np.uint64)])
    shingles = sum(words[at : len(words) - 2 + at] * factor for at, factor in enumerate(_SHINGLE))
    hashes = ((shingles ^ (shingles >> np.uint64(31))) * _MIX >> np.uint64(32)).astype(np.uint32)
    # Piece by piece: a program of a megabyte would take half a gigabyte at once.
    lowest = [
        (_FACTORS * piece + _TERMS).min(axis=1)
        for piece in np.array_split(hashes, len(hashes) // 4096 + 1)
    ]
    signature: Signature = np.min(lowest, axis=0)
    return signature


def _words(text: bytes) -> _Hashes:
    """A hash of each word and each other sign that is no white space, in their order."""
    data = np.frombuffer(text, np.uint8)
    inside = _IN_WORDS[data]
    first = ~inside & ~_SPACE[data]
    first[:1] |= inside[:1]
    first[1:] |= inside[1:] & ~inside[:-1]
    starts = np.flatnonzero(first)
    if not len(starts):
        return np.zeros(0, np.uint64)
    begin = starts[0]
    lengths = np.diff(starts, append=len(data))
    places = np.arange(begin, len(data)) - np.repeat(starts, lengths)
    hashed = _BYTES[data[begin:]] * _PLACES[places % _LONGEST_WORD]
    return np.add.reduceat(hashed, starts - begin)


def groups_of(signatures: Signature) -> list[int]:
    """For each row the first row of its group of near-duplicates (NEAR)."""
    parents = list(range(len(signatures)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for band in np.split(signatures, _NEAR_BANDS, axis=1):
        _, first, inverse = np.unique(band, axis=0, return_index=True, return_inverse=True)
        others = first[inverse.ravel()]
        rows = np.flatnonzero(others != np.arange(len(signatures)))
        alike = (signatures[rows] == signatures[others[rows]]).mean(axis=1) >= NEAR
        for row, other in zip(rows[alike].tolist(), others[rows[alike]].tolist(), strict=True):
            one, two = root(row), root(other)
            parents[max(one, two)] = min(one, two)
    return [root(row) for row in range(len(signatures))]


class NearDuplicates:
    """Remembers about 160 bytes of each program: of every permutation one byte, and the bands.

    Sorting them in takes some 300 more for a moment. A byte of each hash is enough (Li and König
    2010): others agree in it one time in 256.
    """

    def __init__(self) -> None:
        self._signatures = np.zeros((_BATCH, _PERMUTATIONS), np.uint8)
        # The bands of earlier batches in the order of their keys, and whose they are.
        self._keys = np.zeros(0, np.uint64)
        self._rows = np.zeros(0, np.uint32)
        # Those of this batch: a dictionary is quick to add to, but takes eight times the memory.
        self._latest: dict[int, int] = {}
        self._count = 0

    def add(self, code: str) -> bool:
        """Take `code` in; False when one that is nearly equal (SAME) was taken before."""
        signature = signature_of(code)
        parts = signature.reshape(_BAND.shape).astype(np.uint64) * _BAND
        keys = parts.sum(axis=1)
        last = signature.astype(np.uint8)
        for other in self._with_a_band_of(keys):
            if np.mean(self._signatures[other] == last) >= SAME:
                return False
        if self._count == len(self._signatures):
            self._signatures = np.concatenate([self._signatures, np.zeros_like(self._signatures)])
        self._signatures[self._count] = last
        self._latest |= dict.fromkeys(keys.tolist(), self._count)
        self._count += 1
        if self._count % _BATCH == 0:
            self._settle()
        return True

    def _with_a_band_of(self, keys: _Hashes) -> set[int]:
        found = {self._latest[key] for key in keys.tolist() if key in self._latest}
        if len(self._keys):
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            found.update(self._rows[places[self._keys[places] == keys]].tolist())
        return found

    def _settle(self) -> None:
        keys = np.concatenate([self._keys, np.fromiter(self._latest, np.uint64)])
        rows = np.concatenate([self._rows, np.fromiter(self._latest.values(), np.uint32)])
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows, self._latest = keys[order], rows[order], {}
