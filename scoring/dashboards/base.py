"""What a dashboard is: a plain table, and how it is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scoring.tables.base import Table

if TYPE_CHECKING:
    from scoring.dashboards.data import Data


@dataclass(frozen=True, slots=True)
class Mark:
    """Another's figure on a bar: where the bar would end, and what is written of it."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar per row; with several series their bars lie end to end. Keys are of columns.

    `marks` are by the position of their row, `marked` is whose they are.
    """

    series: tuple[str, ...]
    label: str
    # A column whose text stands behind the bar's number.
    beside: str = ""
    marks: Mapping[int, Mark] = field(default_factory=dict)
    marked: str = ""


@dataclass(frozen=True, slots=True)
class Heat:
    """A shaded cell per row and column; the number stands in it."""

    label: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A falling staircase from 1 at the left: a share (`y`) by whole numbers (`x`)."""

    x: str
    y: str
    x_title: str


Figure = Bars | Heat | Curve


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: `figure` None where there is nothing to draw."""

    table: Table
    figure: Figure | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the registry: the part of the address, and what makes it."""

    key: str
    make: Callable[["Data"], Board]
