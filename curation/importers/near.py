"""Texts that are nearly equal, found without comparing each with each (MinHash and banding)."""

import re
import zlib

import numpy as np

# Overlap (Jaccard) of five-word runs from which two texts count as one.
ALIKE = 0.85
_WORDS = re.compile(r"\w+|[^\w\s]")
_RUN = 5
# 10 bands of 6: texts that overlap by 0.85 meet in one of them with probability 0.99.
_BANDS, _ROWS = 10, 6
_MOST_WORDS = 200_000


class NearDuplicates:
    """Remembers about 1 KB of each text."""

    def __init__(self) -> None:
        draws = np.random.default_rng(20_240_601)
        most = np.iinfo(np.uint64).max
        # Odd factors: multiplying by them loses nothing when it overflows.
        self._words = draws.integers(0, most, _RUN, dtype=np.uint64) | np.uint64(1)
        self._factors = draws.integers(0, most, (_BANDS * _ROWS, 1), dtype=np.uint64) | np.uint64(1)
        self._offsets = draws.integers(0, most, (_BANDS * _ROWS, 1), dtype=np.uint64)
        self._bands: dict[int, int] = {}
        self._signatures: list[bytes] = []

    def add(self, text: str) -> bool:
        """Take `text` in; False when one that is nearly equal was taken before."""
        signature = self._signature(text)
        keys = [
            hash((band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes()))
            for band in range(_BANDS)
        ]
        for other in {self._bands[key] for key in keys if key in self._bands}:
            known = np.frombuffer(self._signatures[other], dtype=np.uint32)
            if np.mean(known == signature) >= ALIKE:
                return False
        for key in keys:
            self._bands.setdefault(key, len(self._signatures))
        self._signatures.append(signature.tobytes())
        return True

    def _signature(self, text: str) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
        words = _WORDS.findall(text)[:_MOST_WORDS] or [""]
        words += [""] * (_RUN - len(words))
        known = np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))
        count = len(words) - _RUN + 1
        runs = np.zeros(count, dtype=np.uint64)
        for at, factor in enumerate(self._words):
            runs += known[at : at + count] * factor
        lowest = [
            ((part * self._factors + self._offsets) >> np.uint64(32)).min(axis=1)
            for part in np.array_split(runs, 1 + count // 4096)
        ]
        signature: np.ndarray[tuple[int], np.dtype[np.uint32]]
        signature = np.min(lowest, axis=0).astype(np.uint32)
        return signature
