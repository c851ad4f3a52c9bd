"""The second version of the transforms, where it is called as the first."""

from typing import Any

from t2j_standin import limit

from . import (
    CenterCrop,
    ColorJitter,
    Compose,
    Grayscale,
    InterpolationMode,
    Lambda,
    Normalize,
    Pad,
    RandomApply,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    ToPILImage,
    ToTensor,
    functional,
)
from . import PILToTensor as ToImage

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomApply",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToTensor",
    "functional",
]


class ToDtype(Lambda):
    """To floating numbers, from 0 to 1 where they are scaled."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__(lambda image: image.to(dtype) / 255.0 if scale else image.to(dtype))


def __getattr__(name: str) -> Any:
    limit("torchvision.transforms.v2", name)
