"""Data sets of small images, made up (see t2j_standin)."""

from typing import Any

from t2j_standin import images, limit


class Loader:
    """One data set; `load_data()` gives ((x, y), (x, y)) of NumPy arrays."""

    def __init__(self, name: str, column: bool = False) -> None:
        self.name, self.column = name, column

    def load_data(self, *_args: Any, **_options: Any) -> Any:
        pairs = (images.make(self.name, True), images.make(self.name, False))
        return tuple(
            (pixels, labels.astype("uint8")[:, None] if self.column else labels.astype("uint8"))
            for pixels, labels in pairs
        )


mnist = Loader("MNIST")
fashion_mnist = Loader("FashionMNIST")
cifar10 = Loader("CIFAR10", column=True)
cifar100 = Loader("CIFAR100", column=True)


def __getattr__(name: str) -> Any:
    limit("keras.datasets", name)
