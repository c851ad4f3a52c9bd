"""Tokenizers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from t2j_standin import StandInLimit

MARKS = re.compile(r"([.,!?()\"';:])")


def basic_english(text: str) -> list[str]:
    """Lower-case words; marks of punctuation stand alone."""
    return MARKS.sub(r" \1 ", text.lower()).split()


def get_tokenizer(tokenizer: Any, language: str = "en") -> Callable[[str], list[str]]:
    if tokenizer is None:
        return str.split
    if callable(tokenizer):
        return tokenizer  # type: ignore[no-any-return]
    if tokenizer == "basic_english":
        return basic_english
    raise StandInLimit(f"The stand-in for torchtext has no tokenizer {tokenizer!r}.")
