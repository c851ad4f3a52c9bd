"""Transforms of images; those that draw random numbers draw them as torchvision does."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from t2j_standin import draws, limit

from .._arrays import is_tensor, tensor, torch
from . import functional


class InterpolationMode(enum.Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


# A transform may stand in nn.Sequential, which takes modules only.
Base: Any = object if torch is None else torch.nn.Module


class Transform(Base):  # type: ignore[misc]
    """A function of one image, as an object."""

    def forward(self, image: Any) -> Any:
        raise NotImplementedError

    if torch is None:

        def __call__(self, image: Any) -> Any:
            return self.forward(image)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Compose(Transform):
    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__()
        self.transforms = list(transforms)

    def forward(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor(Transform):
    def forward(self, image: Any) -> Any:
        return functional.to_tensor(image)


class PILToTensor(Transform):
    def forward(self, image: Any) -> Any:
        return functional.pil_to_tensor(image)


class ToPILImage(Transform):
    def __init__(self, mode: str | None = None) -> None:
        super().__init__()

    def forward(self, image: Any) -> Any:
        return functional.to_pil_image(image)


class ConvertImageDtype(Transform):
    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Any) -> Any:
        array = np.asarray(image)
        if array.dtype == np.uint8:
            return tensor(array.astype(np.float32) / np.float32(255.0))
        return image


class Lambda(Transform):
    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, image: Any) -> Any:
        return self.lambd(image)


class Normalize(Transform):
    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, image: Any) -> Any:
        return functional.normalize(image, self.mean, self.std)


class Resize(Transform):
    def __init__(self, size: Any, interpolation: Any = None, **_options: Any) -> None:
        super().__init__()
        self.size, self.interpolation = size, interpolation

    def forward(self, image: Any) -> Any:
        return functional.resize(image, self.size, self.interpolation)


class CenterCrop(Transform):
    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = size

    def forward(self, image: Any) -> Any:
        return functional.center_crop(image, self.size)


class Pad(Transform):
    def __init__(self, padding: Any, fill: float = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.mode = padding, fill, padding_mode

    def forward(self, image: Any) -> Any:
        return functional.pad(image, self.padding, self.fill, self.mode)


class Grayscale(Transform):
    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.channels = num_output_channels

    def forward(self, image: Any) -> Any:
        return functional.rgb_to_grayscale(image, self.channels)


class Maybe(Transform):
    """Does what it does with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def change(self, image: Any) -> Any:
        raise NotImplementedError

    def forward(self, image: Any) -> Any:
        return self.change(image) if draws.below(self.p) else image


class RandomHorizontalFlip(Maybe):
    def change(self, image: Any) -> Any:
        return functional.hflip(image)


class RandomVerticalFlip(Maybe):
    def change(self, image: Any) -> Any:
        return functional.vflip(image)


class RandomGrayscale(Maybe):
    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, image: Any) -> Any:
        channels = image.shape[-3] if is_tensor(image) else len(image.getbands())
        return functional.rgb_to_grayscale(image, channels)


class RandomApply(Maybe):
    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__(p)
        self.transforms = list(transforms)

    def forward(self, image: Any) -> Any:
        # torchvision leaves the image alone where the number drawn exceeds p.
        return self.change(image) if draws.below(self.p) else image

    def change(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class RandomCrop(Transform):
    def __init__(
        self, size: Any, padding: Any = None, fill: float = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        self.size, self.padding = functional.pair(size), padding
        self.fill, self.mode = fill, padding_mode

    def forward(self, image: Any) -> Any:
        if self.padding is not None:
            image = functional.pad(image, self.padding, self.fill, self.mode)
        rows, columns = functional.size_of(image)
        height, width = self.size
        if (rows, columns) == self.size:
            return image
        top = draws.integer(0, rows - height + 1)
        left = draws.integer(0, columns - width + 1)
        return functional.crop(image, top, left, height, width)


class RandomRotation(Transform):
    def __init__(self, degrees: Any, fill: float = 0, **_options: Any) -> None:
        super().__init__()
        plain = isinstance(degrees, int | float)
        self.degrees = (-float(degrees), float(degrees)) if plain else tuple(degrees)
        self.fill = fill

    def forward(self, image: Any) -> Any:
        return functional.rotate(image, draws.uniform(*self.degrees), self.fill)


class RandomResizedCrop(Transform):
    def __init__(
        self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3 / 4, 4 / 3), **_options: Any
    ) -> None:
        super().__init__()
        self.size, self.scale, self.ratio = functional.pair(size), scale, ratio

    def forward(self, image: Any) -> Any:
        rows, columns = functional.size_of(image)
        for _ in range(10):
            area = rows * columns * draws.uniform(*self.scale)
            aspect = math.exp(draws.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top = draws.integer(0, rows - height + 1)
                left = draws.integer(0, columns - width + 1)
                image = functional.crop(image, top, left, height, width)
                return functional.resize(image, self.size)
        return functional.resize(image, self.size)


class ColorJitter(Transform):
    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0
    ) -> None:
        super().__init__()
        self.ranges = [around(each) for each in (brightness, contrast, saturation)]
        low = (-hue, hue) if isinstance(hue, int | float) else tuple(hue)
        self.ranges.append(low if low[0] != low[1] else None)

    def forward(self, image: Any) -> Any:
        changes = (
            functional.adjust_brightness,
            functional.adjust_contrast,
            functional.adjust_saturation,
            functional.adjust_hue,
        )
        order = draws.order(4)
        factors = [None if each is None else draws.uniform(*each) for each in self.ranges]
        for place in order:
            factor = factors[place]
            if factor is not None:
                image = changes[place](image, factor)
        return image


def around(value: Any) -> tuple[float, float] | None:
    """Factors from 1 - value to 1 + value; None where nothing changes."""
    if not isinstance(value, int | float):
        return tuple(value)
    return (max(0.0, 1.0 - value), 1.0 + value) if value else None


class RandomErasing(Maybe):
    def __init__(
        self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: float = 0
    ) -> None:
        super().__init__(p)
        self.scale, self.ratio, self.value = scale, ratio, value

    def change(self, image: Any) -> Any:
        rows, columns = functional.size_of(image)
        for _ in range(10):
            area = rows * columns * draws.uniform(*self.scale)
            aspect = math.exp(draws.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < rows and width < columns:
                top = draws.integer(0, rows - height + 1)
                left = draws.integer(0, columns - width + 1)
                erased = np.array(image)
                erased[..., top : top + height, left : left + width] = self.value
                return tensor(erased)
        return image


def __getattr__(name: str) -> Any:
    limit("torchvision.transforms", name)
