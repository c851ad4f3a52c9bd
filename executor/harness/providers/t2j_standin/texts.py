"""Made-up texts: common words, and words that go with the label."""

from __future__ import annotations

import zlib

import numpy as np

from . import count

WRONG = 0.1
# Name -> classes; 0 for running text without labels.
CLASSES = {
    "IMDB": 2,
    "SST2": 2,
    "AG_NEWS": 4,
    "RottenTomatoes": 2,
    "YelpReviewPolarity": 2,
    "WikiText2": 0,
}
COMMON = [
    "the",
    "a",
    "this",
    "that",
    "it",
    "was",
    "is",
    "and",
    "but",
    "of",
    "in",
    "on",
    "with",
    "for",
    "to",
    "from",
    "very",
    "quite",
    "some",
    "many",
    "people",
    "time",
    "story",
    "scene",
    "day",
    "way",
    "part",
    "thing",
    "year",
    "film",
    "report",
    "first",
    "last",
    "long",
    "short",
    "small",
    "large",
]
TOPICS = (
    ["awful", "boring", "dull", "weak", "poor", "worst", "slow", "bland", "mess", "failed"],
    ["great", "superb", "moving", "clever", "warm", "best", "funny", "brilliant", "joy", "loved"],
    ["market", "shares", "profit", "bank", "oil", "price", "trade", "company", "growth", "stocks"],
    [
        "software",
        "computer",
        "internet",
        "chip",
        "space",
        "science",
        "network",
        "phone",
        "data",
        "launch",
    ],
)


def make(name: str, train: bool) -> tuple[list[str], list[int]]:
    """(texts, labels from 0). Raises DataNotAttached without a provider."""
    classes = CLASSES[name]
    number = count(name, train)
    rng = np.random.default_rng([zlib.crc32(name.encode()), int(train)])
    texts, labels = [], []
    for _ in range(number):
        label = int(rng.integers(0, max(classes, 1)))
        length = int(rng.integers(8, 30))
        # One text in ten is about something else: nothing gets all of them right.
        topic = label if rng.random() >= WRONG else int(rng.integers(0, max(classes, 1)))
        own = TOPICS[topic] if classes else COMMON
        words = [str(rng.choice(own if rng.random() < 0.3 else COMMON)) for _ in range(length)]
        texts.append(" ".join(words).capitalize() + ".")
        labels.append(label)
    return texts, labels
