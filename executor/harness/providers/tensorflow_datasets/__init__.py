"""A stand-in for tensorflow_datasets: small images and texts, made up (see t2j_standin)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from t2j_standin import StandInLimit, images, limit, texts

IMAGES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn_cropped": "SVHN",
}
TEXTS = {"imdb_reviews": "IMDB", "ag_news_subset": "AG_NEWS"}
SPLIT = re.compile(r"(\w+)(?:\[(-?\d+)?(%)?:(-?\d+)?(%)?\])?\Z")


class Dataset:
    """Examples in order: dictionaries of arrays, or (input, label) pairs."""

    def __init__(self, make: Callable[[], Iterator[Any]], size: int) -> None:
        self.make, self.size = make, size

    def __iter__(self) -> Iterator[Any]:
        return self.make()

    def __len__(self) -> int:
        return self.size

    def as_numpy_iterator(self) -> Iterator[Any]:
        return self.make()

    def cardinality(self) -> int:
        return self.size

    def map(self, function: Callable[..., Any], *_args: Any, **_options: Any) -> Dataset:
        def mapped() -> Iterator[Any]:
            for each in self.make():
                yield function(*each) if isinstance(each, tuple) else function(each)

        return Dataset(mapped, self.size)

    def take(self, count: int) -> Dataset:
        def taken() -> Iterator[Any]:
            yield from (each for place, each in enumerate(self.make()) if place < count)

        return Dataset(taken, min(count, self.size) if count >= 0 else self.size)

    def skip(self, count: int) -> Dataset:
        def rest() -> Iterator[Any]:
            yield from (each for place, each in enumerate(self.make()) if place >= count)

        return Dataset(rest, max(self.size - count, 0))

    def batch(self, size: int, drop_remainder: bool = False, **_options: Any) -> Dataset:
        def batches() -> Iterator[Any]:
            group: list[Any] = []
            for each in self.make():
                group.append(each)
                if len(group) == size:
                    yield stacked(group)
                    group = []
            if group and not drop_remainder:
                yield stacked(group)

        count = self.size // size if drop_remainder else -(-self.size // size)
        return Dataset(batches, count)

    def repeat(self, count: int) -> Dataset:
        def again() -> Iterator[Any]:
            for _ in range(count):
                yield from self.make()

        return Dataset(again, self.size * count)

    def shuffle(self, *_args: Any, seed: int | None = None, **_options: Any) -> Dataset:
        state = {"epoch": 0}

        def shuffled() -> Iterator[Any]:
            items = list(self.make())
            state["epoch"] += 1
            for place in np.random.permutation(len(items)):
                yield items[int(place)]

        return Dataset(shuffled, self.size)

    def cache(self, *_args: Any) -> Dataset:
        return self

    def prefetch(self, *_args: Any) -> Dataset:
        return self

    def __getattr__(self, name: str) -> Any:
        limit("tensorflow_datasets' data sets", name)


def stacked(items: list[Any]) -> Any:
    first = items[0]
    if isinstance(first, dict):
        return {key: np.stack([each[key] for each in items]) for key in first}
    if isinstance(first, tuple):
        return tuple(np.stack([each[place] for each in items]) for place in range(len(first)))
    return np.stack(items)


class Feature:
    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes


class Split:
    def __init__(self, num_examples: int) -> None:
        self.num_examples = num_examples


class Info:
    """What `with_info=True` gives: the numbers of examples and of classes."""

    def __init__(self, name: str, sizes: dict[str, int], classes: int) -> None:
        self.name = name
        self.splits = {split: Split(size) for split, size in sizes.items()}
        self.features = {"label": Feature(classes)}


def columns(name: str, train: bool) -> dict[str, Any]:
    """The whole data set as arrays. Raises DataNotAttached without a provider."""
    key = name.split(":", 1)[0].split("/", 1)[0].lower()
    if key in IMAGES:
        pixels, labels = images.make(IMAGES[key], train)
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        return {"image": pixels, "label": labels}
    if key in TEXTS:
        written, marks = texts.make(TEXTS[key], train)
        return {"text": np.array([each.encode() for each in written]), "label": np.array(marks)}
    raise StandInLimit(f"There is no stand-in for the data set {name!r}.")


def portion(split: str) -> tuple[bool, slice, tuple[bool, bool]]:
    """Whether a split is for training, and which part of it, in examples or in percent."""
    match = SPLIT.match(split)
    if match is None:
        raise StandInLimit(f"The stand-in does not read the split {split!r}.")
    name, start, start_share, stop, stop_share = match.groups()
    part = slice(None if start is None else int(start), None if stop is None else int(stop))
    return name == "train", part, (bool(start_share), bool(stop_share))


def load(
    name: str,
    *,
    split: Any = None,
    batch_size: int | None = None,
    as_supervised: bool = False,
    with_info: bool = False,
    shuffle_files: bool = False,
    **_options: Any,
) -> Any:
    """Data set or sets by split. `batch_size=-1` gives whole arrays."""
    if split is None:
        split = {"train": "train", "test": "test"}
    if isinstance(split, dict):
        made: Any = {key: one(name, each, batch_size, as_supervised) for key, each in split.items()}
    elif isinstance(split, list | tuple):
        made = type(split)(one(name, each, batch_size, as_supervised) for each in split)
    else:
        made = one(name, split, batch_size, as_supervised)
    return (made, info_of(name)) if with_info else made


def one(name: str, split: str, batch_size: int | None, as_supervised: bool) -> Any:
    train, part, shares = portion(str(split))
    data = columns(name, train)
    total = len(data["label"])
    ends = [
        None if end is None else (total * end // 100 if share else end)
        for end, share in zip((part.start, part.stop), shares, strict=True)
    ]
    data = {key: values[ends[0] : ends[1]] for key, values in data.items()}
    pair = tuple(data.values()) if as_supervised else None
    if batch_size == -1:
        return data if pair is None else pair

    def examples() -> Iterator[Any]:
        for place in range(len(data["label"])):
            if pair is not None:
                yield tuple(values[place] for values in pair)
            else:
                yield {key: values[place] for key, values in data.items()}

    made = Dataset(examples, len(data["label"]))
    return made if batch_size is None else made.batch(batch_size)


def info_of(name: str) -> Info:
    sizes = {split: len(columns(name, split == "train")["label"]) for split in ("train", "test")}
    key = name.split(":", 1)[0].lower()
    classes = images.SIZES[IMAGES[key]][2] if key in IMAGES else texts.CLASSES[TEXTS[key]]
    return Info(name, sizes, classes)


def as_numpy(dataset: Any) -> Any:
    return dataset


def __getattr__(name: str) -> Any:
    limit("tensorflow_datasets", name)
