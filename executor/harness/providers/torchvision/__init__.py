"""A stand-in for torchvision: what programs about small images import from it.

With PyTorch images become tensors, without it NumPy arrays.
"""

from typing import Any

from t2j_standin import limit

from . import datasets, models, transforms, utils

__version__ = "0.0+standin"
__all__ = ["datasets", "models", "transforms", "utils"]


def __getattr__(name: str) -> Any:
    limit("torchvision", name)
