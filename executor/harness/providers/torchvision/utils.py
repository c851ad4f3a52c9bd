"""Grids of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from t2j_standin import limit

from ._arrays import tensor


def make_grid(
    images: Any, nrow: int = 8, padding: int = 2, normalize: bool = False, pad_value: float = 0.0
) -> Any:
    """(N, C, H, W) images, or a list of (C, H, W), as one (3, H', W') image."""
    block = np.stack([np.asarray(each) for each in images])
    block = block[None] if block.ndim == 3 else block
    block = np.repeat(block, 3, axis=1) if block.shape[1] == 1 else block
    if normalize:
        low, high = block.min(), block.max()
        block = (block - low) / max(float(high - low), 1e-5)
    count, channels, height, width = block.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    high, wide = height + padding, width + padding
    grid = np.full((channels, high * rows + padding, wide * columns + padding), pad_value)
    for place, image in enumerate(block):
        top, left = place // columns * high + padding, place % columns * wide + padding
        grid[:, top : top + height, left : left + width] = image
    return tensor(grid.astype(block.dtype))


def save_image(images: Any, fp: Any, nrow: int = 8, **options: Any) -> None:
    """Write a grid of images from 0 to 1 as a picture."""
    grid = np.asarray(make_grid(images, nrow, **options))
    pixels = np.clip(grid * 255.0 + 0.5, 0, 255).astype(np.uint8)
    Image.fromarray(pixels.transpose(1, 2, 0)).save(fp)


def __getattr__(name: str) -> Any:
    limit("torchvision.utils", name)
