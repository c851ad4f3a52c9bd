"""A table as every output shows it: the same cells for page, CSV, JSON, Markdown and LaTeX."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Content: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names it in files. With `interval` its cells carry one. `digits` after the point.

    A `p_value` too small for its digits is shown as smaller than the smallest.
    """

    key: str
    title: str
    digits: int = 2
    interval: bool = False
    percent: bool = False
    p_value: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value over `n` scores; `why` says why there is none.

    `drill` finds the rows behind it: names of setting, measure and judge, several after commas.
    """

    value: Content
    n: int | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    drill: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A numbered table of the paper, or one beside them; a row is a cell per column."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"table{self.key}" if self.key.isdigit() else self.key


def text_of(cell: Cell, column: Column) -> str:
    """The cell as a person reads it: a dash for nothing, the interval in brackets.

    What is undefined says why: a dash could be read as not computed.
    """
    if cell.value is None:
        return cell.why if cell.why.startswith("undefined") else "–"
    shown = number(cell.value, column)
    if cell.low is None or cell.high is None:
        return shown
    return f"{shown} [{number(cell.low, column)}, {number(cell.high, column)}]"


def number(value: Content, column: Column) -> str:
    if not isinstance(value, float):
        return str(value)
    if column.p_value and value < 10**-column.digits:
        return f"< {10**-column.digits:.{column.digits}f}"
    if column.percent:
        return f"{100 * value:.{max(0, column.digits - 2)}f} %"
    return f"{value:.{column.digits}f}"


def rounded(value: Any) -> Any:
    """Six digits after the point are more than any of these numbers means."""
    return round(value, 6) if isinstance(value, float) else value
