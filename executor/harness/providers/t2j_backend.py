"""A backend of matplotlib that notes what is drawn instead of showing it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas

__all__ = ["FigureCanvas", "State", "remaining", "show"]
MAX_FIGURES = 50
MAX_POINTS = 1_000_000


class State:
    """What the figures that were shown hold, by a name for each part."""

    shown: int = 0
    drawn: dict[str, Any] = {}


def show(*_args: Any, **_options: Any) -> None:
    """As a window would: every open figure is shown, and gone once it is closed."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        note(pyplot.figure(number))
    pyplot.close("all")


def remaining() -> dict[str, Any]:
    """All that was drawn, figures that were never shown included."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        note(pyplot.figure(number))
    return State.drawn


def note(figure: Any) -> None:
    State.shown += 1
    if State.shown > MAX_FIGURES:
        return
    for place, axes in enumerate(figure.axes, start=1):
        for name, array in parts_of(axes):
            if 0 < array.size <= MAX_POINTS and array.dtype.kind in "biuf":
                State.drawn[f"figure {State.shown} axes {place} {name}"] = array


def parts_of(axes: Any) -> list[tuple[str, Any]]:
    """Lines as (2, N) points, images, bars as their heights, scattered points as (N, 2)."""
    found: list[tuple[str, Any]] = []
    for number, line in enumerate(axes.get_lines(), start=1):
        points = [np.asarray(each, float) for each in line.get_data()]
        if points[0].shape == points[1].shape:
            found.append((f"line {number}", np.stack(points)))
    for number, image in enumerate(axes.get_images(), start=1):
        found.append((f"image {number}", np.ma.getdata(image.get_array())))
    heights = [patch.get_height() for patch in axes.patches if hasattr(patch, "get_height")]
    if heights:
        found.append(("bars", np.asarray(heights, float)))
    for number, points in enumerate(axes.collections, start=1):
        if type(points).__name__ == "PathCollection":
            found.append((f"points {number}", np.ma.getdata(points.get_offsets())))
    return found
