"""Bars with intervals: what a table says, one panel per measure."""

from dataclasses import dataclass

from scoring.metrics import MEASURES
from scoring.tables.base import Cell, Column, Table, text_of

# The chart's own units; the page scales it.
LABEL, WIDE_LABEL, BAR, ROW, HEAD = 150, 400, 300, 26, 26
CHARTED: dict[str, tuple[str, ...]] = {
    "2": ("matches", "codebleu", "func_ref", "comparison"),
    "3": ("spearman",),
    "4": ("seconds", "speedup"),
    "5": ("mean", "weighted_mean"),
    "differences": (),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: `width` of the bar from `start`, and the whisker of its interval, if any."""

    label: str
    text: str
    y: int
    start: float
    width: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure: a bar per row of the table."""

    title: str
    bars: list[Bar]
    left: int
    height: int
    track: int = BAR

    @property
    def width(self) -> int:
        return self.left + self.track + 140


def panels(table: Table) -> list[Panel]:
    """The charts of a table; those without a single number are left out."""
    found = []
    for column_at, column in enumerate(table.columns):
        if column.key.split("_(")[0] in CHARTED.get(table.key, ()):
            cells = [row[column_at] for row in table.rows]
            if any(isinstance(cell.value, int | float) for cell in cells):
                found.append(_panel(table, column, cells))
    return found


def _panel(table: Table, column: Column, cells: list[Cell]) -> Panel:
    numbers = [n for cell in cells for n in (cell.value, cell.low, cell.high) if _is_number(n)]
    low = min(0.0, *(float(n) for n in numbers if isinstance(n, int | float)), 0.0)
    measure = MEASURES.get(column.key)
    scale = measure.high if measure and measure.high else 0.0
    left = WIDE_LABEL if table.key == "3" else LABEL
    high = max(scale, 1e-9, *(float(n) for n in numbers if isinstance(n, int | float)))

    def x(value: float) -> float:
        return left + BAR * (value - low) / (high - low)

    bars = []
    for at, (row, cell) in enumerate(zip(table.rows, cells, strict=True)):
        value = float(cell.value) if isinstance(cell.value, int | float) else 0.0
        start, end = sorted((x(0), x(value)))
        bars.append(
            Bar(
                _label(table, row),
                text_of(cell, column),
                HEAD + at * ROW,
                start,
                end - start,
                None if cell.low is None else x(cell.low),
                None if cell.high is None else x(cell.high),
            )
        )
    return Panel(column.title, bars, left, HEAD + len(bars) * ROW)


def _label(table: Table, row: tuple[Cell, ...]) -> str:
    """What the row is about, short enough for the margin."""
    if table.key == "3":
        return f"{row[0].value} · {row[1].value}"
    name = str(row[0].value)
    return name if len(name) <= 22 else f"{name[:21]}…"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
