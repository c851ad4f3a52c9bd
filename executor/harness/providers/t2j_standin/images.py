"""Made-up images: one smooth pattern a class, moved, dimmed and noisy."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from . import count

Array = np.ndarray[Any, Any]
# Share of examples that show another class than they say: nothing gets all of them right.
WRONG = 0.1
# Name -> (height and width, colour channels, classes).
SIZES = {
    "MNIST": (28, 1, 10),
    "FashionMNIST": (28, 1, 10),
    "KMNIST": (28, 1, 10),
    "CIFAR10": (32, 3, 10),
    "CIFAR100": (32, 3, 100),
    "SVHN": (32, 3, 10),
}
CLASSES = {
    "MNIST": tuple(
        f"{digit} - {word}"
        for digit, word in enumerate(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        )
    ),
    "FashionMNIST": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "CIFAR10": (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
}


def make(name: str, train: bool) -> tuple[Array, Array]:
    """(images uint8 (N, H, W) or (N, H, W, 3), labels int64 (N,)).

    Raises DataNotAttached without a provider.
    """
    size, channels, classes = SIZES[name]
    number = count(name, train)
    patterns = make_patterns(name, size, channels, classes)
    rng = np.random.default_rng([zlib.crc32(name.encode()), int(train)])
    labels = rng.integers(0, classes, number)
    shown = np.where(rng.random(number) < WRONG, rng.integers(0, classes, number), labels)
    images = np.empty((number, size, size, channels), np.uint8)
    for place, label in enumerate(shown):
        moved = np.roll(patterns[label], tuple(rng.integers(-2, 3, 2)), (0, 1))
        noisy = rng.uniform(0.7, 1.0) * moved + rng.normal(0.0, 12.0, moved.shape)
        blank = moved == 0.0
        images[place] = np.clip(np.where(blank, 0.0, noisy), 0, 255)
    return (images[..., 0] if channels == 1 else images), labels.astype(np.int64)


def make_patterns(name: str, size: int, channels: int, classes: int) -> Array:
    """(classes, size, size, channels) from 0 to 255; grey ones have a black ground."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), 7])
    coarse = rng.normal(size=(classes, 7, 7, channels))
    steps = np.linspace(0, 6, size)
    low = np.minimum(steps.astype(int), 5)
    share = steps - low
    rows = blend(coarse, low, share, axis=1)
    smooth = blend(rows, low, share, axis=2)
    if channels == 1:
        return np.where(smooth > 0.35, np.clip(110.0 + 110.0 * smooth, 0, 255), 0.0)
    return np.clip(120.0 + 70.0 * smooth, 1, 255)


def blend(values: Array, low: Array, share: Array, axis: int) -> Array:
    """Linear interpolation along one axis."""
    shape = [1] * values.ndim
    shape[axis] = -1
    weight = share.reshape(shape)
    first, second = values.take(low, axis), values.take(low + 1, axis)
    result: Array = first * (1.0 - weight) + second * weight
    return result


def classes_of(name: str) -> list[str]:
    return list(CLASSES.get(name, tuple(str(label) for label in range(SIZES[name][2]))))
