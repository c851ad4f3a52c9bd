"""A stand-in for Hugging Face's datasets: small images and texts, made up (see t2j_standin)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from t2j_standin import StandInLimit, images, limit, texts

# Name -> (stand-in, column of the input).
IMAGES = {
    "mnist": ("MNIST", "image"),
    "fashion_mnist": ("FashionMNIST", "image"),
    "cifar10": ("CIFAR10", "img"),
    "svhn": ("SVHN", "image"),
}
TEXTS = {
    "imdb": ("IMDB", "text"),
    "ag_news": ("AG_NEWS", "text"),
    "rotten_tomatoes": ("RottenTomatoes", "text"),
    "yelp_polarity": ("YelpReviewPolarity", "text"),
    "sst2": ("SST2", "sentence"),
    "glue": ("SST2", "sentence"),
    "wikitext": ("WikiText2", "text"),
}
SPLIT = re.compile(r"(\w+)(?:\[(-?\d+)?(%)?:(-?\d+)?(%)?\])?\Z")


class ClassLabel:
    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.num_classes = list(names), len(names)

    def int2str(self, place: int) -> str:
        return self.names[place]


class Dataset:
    """Columns of equal length; a row is a dictionary."""

    def __init__(
        self, columns: dict[str, list[Any]], features: dict[str, Any], kind: str | None = None
    ) -> None:
        self.columns, self.features, self.kind = columns, features, kind

    @classmethod
    def from_dict(cls, columns: dict[str, Any]) -> Dataset:
        return cls({name: list(values) for name, values in columns.items()}, {})

    @property
    def column_names(self) -> list[str]:
        return list(self.columns)

    @property
    def num_rows(self) -> int:
        return len(self)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), len(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for place in range(len(self)):
            yield self[place]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.dressed(self.columns[key])
        if isinstance(key, int | np.integer):
            return {name: self.one(values[int(key)]) for name, values in self.columns.items()}
        places = range(len(self))[key] if isinstance(key, slice) else [int(each) for each in key]
        return {
            name: self.dressed([values[place] for place in places])
            for name, values in self.columns.items()
        }

    def one(self, value: Any) -> Any:
        """A value as the format says: as it is, or as an array."""
        return value if self.kind is None or isinstance(value, str) else made(value, self.kind)

    def dressed(self, values: list[Any]) -> Any:
        if self.kind is None or not values or isinstance(values[0], str):
            return list(values)
        return made(np.stack([np.asarray(each) for each in values]), self.kind)

    def with_format(self, type: str | None = None, *_args: Any, **_options: Any) -> Dataset:
        return Dataset(self.columns, self.features, type)

    def set_format(self, type: str | None = None, *_args: Any, **_options: Any) -> None:
        self.kind = type

    def select(self, places: Any) -> Dataset:
        chosen = [int(each) for each in places]
        columns = {name: [v[place] for place in chosen] for name, v in self.columns.items()}
        return Dataset(columns, self.features, self.kind)

    def shuffle(self, seed: int | None = None, **_options: Any) -> Dataset:
        return self.select(
            np.random.default_rng(0 if seed is None else seed).permutation(len(self))
        )

    def filter(self, function: Callable[[Any], bool], **_options: Any) -> Dataset:
        return self.select(place for place in range(len(self)) if function(self[place]))

    def map(
        self,
        function: Callable[..., Any],
        batched: bool = False,
        remove_columns: Sequence[str] | str = (),
        **_options: Any,
    ) -> Dataset:
        columns = {name: list(values) for name, values in self.columns.items()}
        if batched:
            changed = function(self[:])
        else:
            rows = [function(row) for row in self]
            changed = {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
        columns.update({name: list(values) for name, values in changed.items()})
        left_out = {remove_columns} if isinstance(remove_columns, str) else set(remove_columns)
        kept = {n: v for n, v in columns.items() if n not in left_out - set(changed)}
        return Dataset(kept, self.features, self.kind)

    def remove_columns(self, names: Sequence[str] | str) -> Dataset:
        left_out = {names} if isinstance(names, str) else set(names)
        kept = {name: v for name, v in self.columns.items() if name not in left_out}
        return Dataset(kept, self.features, self.kind)

    def rename_column(self, old: str, new: str) -> Dataset:
        columns = {new if name == old else name: v for name, v in self.columns.items()}
        return Dataset(columns, self.features, self.kind)

    def train_test_split(
        self, test_size: float = 0.25, seed: int | None = None, shuffle: bool = True, **_o: Any
    ) -> DatasetDict:
        count = int(test_size) if test_size >= 1 else round(test_size * len(self))
        order = np.arange(len(self))
        if shuffle:
            order = np.random.default_rng(0 if seed is None else seed).permutation(len(self))
        return DatasetDict(train=self.select(order[count:]), test=self.select(order[:count]))

    def to_pandas(self) -> Any:
        import pandas as pd

        return pd.DataFrame(self.columns)

    def __getattr__(self, name: str) -> Any:
        limit("datasets.Dataset", name)


class DatasetDict(dict[str, Dataset]):
    """Data sets by split."""

    def map(self, function: Callable[..., Any], **options: Any) -> DatasetDict:
        return DatasetDict({name: each.map(function, **options) for name, each in self.items()})

    def with_format(self, *args: Any, **options: Any) -> DatasetDict:
        return DatasetDict({n: each.with_format(*args, **options) for n, each in self.items()})

    def set_format(self, *args: Any, **options: Any) -> None:
        for each in self.values():
            each.set_format(*args, **options)


def made(value: Any, kind: str) -> Any:
    """An array of the library that a format names."""
    array = np.asarray(value)
    if kind in ("torch", "pt"):
        import torch

        return torch.from_numpy(np.ascontiguousarray(array)) if array.ndim else torch.tensor(value)
    if kind == "jax":
        import jax.numpy as jnp

        return jnp.asarray(array)
    return array


def load_dataset(path: str, name: str | None = None, *, split: Any = None, **_options: Any) -> Any:
    """The data set, by split unless one is named. Raises DataNotAttached without a provider."""
    if split is None:
        return DatasetDict({each: whole(path, each == "train") for each in ("train", "test")})
    if isinstance(split, list | tuple):
        return [load_dataset(path, name, split=each) for each in split]
    match = SPLIT.match(str(split))
    if match is None:
        raise StandInLimit(f"The stand-in does not read the split {split!r}.")
    part, start, start_share, stop, stop_share = match.groups()
    found = whole(path, part == "train")
    ends = [
        None if end is None else (len(found) * int(end) // 100 if share else int(end))
        for end, share in ((start, start_share), (stop, stop_share))
    ]
    if ends == [None, None]:
        return found
    return found.select(range(len(found))[ends[0] : ends[1]])


def whole(path: str, train: bool) -> Dataset:
    key = path.rsplit("/", maxsplit=1)[-1].lower()
    if key in IMAGES:
        from PIL import Image

        source, column = IMAGES[key]
        pixels, labels = images.make(source, train)
        return Dataset(
            {
                column: [Image.fromarray(each) for each in pixels],
                "label": [int(each) for each in labels],
            },
            {"label": ClassLabel(images.classes_of(source))},
        )
    if key in TEXTS:
        source, column = TEXTS[key]
        written, marks = texts.make(source, train)
        classes = texts.CLASSES[source]
        columns: dict[str, list[Any]] = {column: list(written)}
        if classes:
            columns["label"] = list(marks)
        return Dataset(columns, {"label": ClassLabel([str(each) for each in range(classes)])})
    raise StandInLimit(f"There is no stand-in for the data set {path!r}.")


def __getattr__(name: str) -> Any:
    limit("datasets", name)
