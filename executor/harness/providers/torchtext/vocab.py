"""Vocabularies: words by frequency, then by the alphabet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from t2j_standin import limit


class Vocab:
    """Words and their numbers."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.places = {word: place for place, word in enumerate(self.words)}
        self.default: int | None = None

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.places

    def __getitem__(self, word: str) -> int:
        found = self.places.get(word, self.default)
        if found is None:
            raise RuntimeError(f"Token {word} not found and default index is not set")
        return found

    def __call__(self, words: Iterable[str]) -> list[int]:
        return [self[word] for word in words]

    def forward(self, words: Iterable[str]) -> list[int]:
        return self(words)

    def set_default_index(self, place: int | None) -> None:
        self.default = place

    def get_default_index(self) -> int | None:
        return self.default

    def lookup_indices(self, words: Iterable[str]) -> list[int]:
        return self(words)

    def lookup_token(self, place: int) -> str:
        return self.words[place]

    def lookup_tokens(self, places: Iterable[int]) -> list[str]:
        return [self.words[place] for place in places]

    def get_stoi(self) -> dict[str, int]:
        return dict(self.places)

    def get_itos(self) -> list[str]:
        return list(self.words)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A vocabulary of the words that come up at least `min_freq` times."""
    counted = Counter(word for words in iterator for word in words)
    marks = list(specials or ())
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    words = [word for word, count in ordered if count >= min_freq and word not in marks]
    if max_tokens is not None:
        words = words[: max_tokens - len(marks)]
    return Vocab(marks + words if special_first else words + marks)


def vocab(counted: Any, min_freq: int = 1, specials: Sequence[str] | None = None) -> Vocab:
    """A vocabulary in the order of a dictionary of counts."""
    marks = list(specials or ())
    return Vocab(marks + [word for word, count in counted.items() if count >= min_freq])


def __getattr__(name: str) -> Any:
    limit("torchtext.vocab", name)
