"""What transforms do to one image: a PIL image, or a (..., H, W) tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from t2j_standin import limit

from .._arrays import flip, is_tensor, tensor, torch


def size_of(image: Any) -> tuple[int, int]:
    """(height, width)."""
    if is_tensor(image):
        return int(image.shape[-2]), int(image.shape[-1])
    return image.height, image.width


def to_tensor(image: Any) -> Any:
    """(H, W, C) pixels from 0 to 255 as (C, H, W) numbers from 0 to 1."""
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    array = array.transpose(2, 0, 1)
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    return tensor(array.astype(np.float32) / np.float32(scale))


def pil_to_tensor(image: Any) -> Any:
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    return tensor(array.transpose(2, 0, 1).copy())


def to_pil_image(image: Any) -> Any:
    array = np.asarray(image)
    if is_tensor(image) and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == "f":
        array = (array * 255.0).astype(np.uint8)
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def normalize(image: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    """(image - mean) / std, channel by channel."""
    shape = (-1, 1, 1)
    center = np.asarray(mean, np.float32).reshape(shape)
    spread = np.asarray(std, np.float32).reshape(shape)
    if torch is None:
        return tensor((np.asarray(image) - center) / spread)
    return (image - torch.from_numpy(center)) / torch.from_numpy(spread)


def hflip(image: Any) -> Any:
    return flip(image, -1) if is_tensor(image) else ImageOps.mirror(image)


def vflip(image: Any) -> Any:
    return flip(image, -2) if is_tensor(image) else ImageOps.flip(image)


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    if is_tensor(image):
        return image[..., top : top + height, left : left + width]
    return image.crop((left, top, left + width, top + height))


def center_crop(image: Any, size: Any) -> Any:
    height, width = pair(size)
    rows, columns = size_of(image)
    return crop(image, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def pad(image: Any, padding: Any, fill: float = 0, padding_mode: str = "constant") -> Any:
    """`padding`: one number, (left and right, top and bottom), or (left, top, right, bottom)."""
    sides = [padding] * 4 if isinstance(padding, int) else list(padding)
    left, top, right, bottom = sides * (4 // len(sides)) if len(sides) < 4 else sides
    array = np.asarray(image)
    spread = [(top, bottom), (left, right)]
    if is_tensor(image):
        widths = [(0, 0)] * (array.ndim - 2) + spread
    else:
        widths = spread + [(0, 0)] * (array.ndim - 2)
    if padding_mode == "constant":
        padded = np.pad(array, widths, constant_values=fill)
    else:
        padded = np.pad(array, widths, mode="edge" if padding_mode == "edge" else "reflect")
    return tensor(padded) if is_tensor(image) else Image.fromarray(padded)


def resize(image: Any, size: Any, interpolation: Any = None, **_options: Any) -> Any:
    """To (height, width); one number is the shorter side."""
    height, width = target_size(image, size)
    method = Image.Resampling.NEAREST if is_nearest(interpolation) else Image.Resampling.BILINEAR
    if not is_tensor(image):
        return image.resize((width, height), method)
    array = np.asarray(image)
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), method))
        for plane in array.reshape(-1, *array.shape[-2:])
    ]
    return tensor(np.stack(planes).reshape(*array.shape[:-2], height, width).astype(array.dtype))


def target_size(image: Any, size: Any) -> tuple[int, int]:
    if not isinstance(size, int) and len(size) == 2:
        return int(size[0]), int(size[1])
    short = int(size if isinstance(size, int) else size[0])
    rows, columns = size_of(image)
    if rows <= columns:
        return short, int(short * columns / rows)
    return int(short * rows / columns), short


def is_nearest(interpolation: Any) -> bool:
    return "nearest" in str(getattr(interpolation, "value", interpolation)).lower()


def rotate(image: Any, angle: float, fill: float = 0, **_options: Any) -> Any:
    """Counter-clockwise, in degrees, around the middle; nearest pixels."""
    if not is_tensor(image):
        return image.rotate(angle, Image.Resampling.NEAREST, fillcolor=int(fill))
    array = np.asarray(image)
    planes = [
        np.asarray(
            Image.fromarray(plane.astype(np.float32)).rotate(angle, Image.Resampling.NEAREST)
        )
        for plane in array.reshape(-1, *array.shape[-2:])
    ]
    return tensor(np.stack(planes).reshape(array.shape).astype(array.dtype))


def rgb_to_grayscale(image: Any, num_output_channels: int = 1) -> Any:
    if not is_tensor(image):
        grey = image.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", [grey] * 3)
    grey = 0.2989 * image[..., 0:1, :, :] + 0.587 * image[..., 1:2, :, :]
    grey = grey + 0.114 * image[..., 2:3, :, :]
    return tensor(np.repeat(np.asarray(grey), num_output_channels, axis=-3))


to_grayscale = rgb_to_grayscale


def blended(image: Any, other: Any, factor: float) -> Any:
    """`factor` of the image and the rest of the other, within the image's range."""
    mixed = factor * np.asarray(image, np.float32) + (1.0 - factor) * np.asarray(other, np.float32)
    dtype = np.asarray(image).dtype
    return tensor(np.clip(mixed, 0, 1.0 if dtype.kind == "f" else 255).astype(dtype))


def adjust_brightness(image: Any, factor: float) -> Any:
    if is_tensor(image):
        return blended(image, np.zeros_like(np.asarray(image)), factor)
    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Any, factor: float) -> Any:
    if is_tensor(image):
        grey = image if image.shape[-3] == 1 else rgb_to_grayscale(image)
        return blended(image, np.asarray(grey, np.float32).mean(), factor)
    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Any, factor: float) -> Any:
    if is_tensor(image):
        grey = image if image.shape[-3] == 1 else rgb_to_grayscale(image)
        return blended(image, grey, factor)
    return ImageEnhance.Color(image).enhance(factor)


def adjust_hue(image: Any, factor: float) -> Any:
    """Turn the hue by a share of the circle, from -0.5 to 0.5."""
    if is_tensor(image):
        return to_tensor(adjust_hue(to_pil_image(image), factor))
    if image.mode == "L":
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int64) + int(factor * 255)) % 256
    return Image.merge(
        "HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)
    ).convert("RGB")


def pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[-1]))


def __getattr__(name: str) -> Any:
    limit("torchvision.transforms.functional", name)
