"""Texts with labels from 1, made up (see t2j_standin)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from t2j_standin import limit, texts


def labelled(name: str) -> Callable[..., Any]:
    def load(root: Any = None, split: Any = ("train", "test"), **_options: Any) -> Any:
        if isinstance(split, tuple | list):
            return tuple(rows(name, each) for each in split)
        return rows(name, str(split))

    return load


def rows(name: str, split: str) -> list[Any]:
    written, labels = texts.make(name, split == "train")
    if not texts.CLASSES[name]:
        return list(written)
    return [(label + 1, text) for label, text in zip(labels, written, strict=True)]


IMDB = labelled("IMDB")
AG_NEWS = labelled("AG_NEWS")
SST2 = labelled("SST2")
YelpReviewPolarity = labelled("YelpReviewPolarity")
WikiText2 = labelled("WikiText2")


def __getattr__(name: str) -> Any:
    limit("torchtext.datasets", name)
