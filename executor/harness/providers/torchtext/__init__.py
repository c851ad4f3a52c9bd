"""A stand-in for torchtext: labelled texts, a tokenizer and vocabularies."""

from typing import Any

from t2j_standin import limit

from . import data, datasets, vocab

__all__ = ["data", "datasets", "vocab"]


def __getattr__(name: str) -> Any:
    limit("torchtext", name)
