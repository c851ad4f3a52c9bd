"""Data sets of small images, made up (see t2j_standin)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from t2j_standin import images, limit

from ._arrays import tensor


class VisionDataset:
    """Images and labels; `transform` is applied when an example is taken."""

    name = ""

    def __init__(
        self,
        root: Any = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root, self.train = root, train
        self.transform, self.target_transform = transform, target_transform
        self.pixels, labels = images.make(self.name, train)
        self.classes = images.classes_of(self.name)
        self.class_to_idx = {name: place for place, name in enumerate(self.classes)}
        self.keep(labels)

    def keep(self, labels: Any) -> None:
        self.data: Any = self.pixels
        self.targets: Any = [int(label) for label in labels]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image: Any = Image.fromarray(np.asarray(self.data[place]))
        label: Any = int(self.targets[place])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __repr__(self) -> str:
        return f"Dataset {self.name}\n    Number of datapoints: {len(self)}"


class MNIST(VisionDataset):
    """60,000 grey images of 28 x 28 in the original; `data` and `targets` are tensors."""

    name = "MNIST"

    def keep(self, labels: Any) -> None:
        self.data, self.targets = tensor(self.pixels), tensor(labels)


class FashionMNIST(MNIST):
    name = "FashionMNIST"


class KMNIST(MNIST):
    name = "KMNIST"


class CIFAR10(VisionDataset):
    """50,000 colour images of 32 x 32 in the original; `data` is an array, `targets` a list."""

    name = "CIFAR10"


class CIFAR100(VisionDataset):
    name = "CIFAR100"


class SVHN(VisionDataset):
    """`data` holds the channels first, `labels` an array."""

    name = "SVHN"

    def __init__(self, root: Any = None, split: str = "train", **options: Any) -> None:
        super().__init__(root, split != "test", **options)
        self.labels = np.asarray(self.targets)


def __getattr__(name: str) -> Any:
    limit("torchvision.datasets", name)
