"""Figures that others published, laid beside a dashboard's own and labelled as theirs."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scoring.dashboards.base import Bars, Board, Mark
from scoring.tables.base import Cell, Column, Table, text_of

# Dashboards that take them (Tables 5 to 8): the columns that name a row, and those of figures.
TAKEN = {
    "categories": (("category",), ("steps", "share")),
    "subcategories": (("category", "subcategory"), ("steps", "share")),
    "fixcost": (("steps",), ("drafts", "min", "max", "mean", "median", "total")),
}
MOST_ROWS, LONGEST_LABEL = 200, 200
NOT_OURS = "Not counted here; filters do not narrow it."

# What rows of both sides are matched by: their labels, without case.
Key = tuple[str, ...]


class Unreadable(Exception):
    """Why a table of figures cannot be read; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was published of one row: its names, and figures by the key of their column."""

    labels: tuple[str, ...]
    values: Mapping[str, float]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Row":
        return cls(tuple(stored["labels"]), stored["values"])

    def to_json(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "values": dict(self.values)}

    @property
    def key(self) -> Key:
        return tuple(" ".join(label.split()).casefold() for label in self.labels)


@dataclass(frozen=True, slots=True)
class Source:
    """Whose figures they are, in a few words, and where they stand."""

    name: str
    text: str


# What the paper says of its dataset outside of tables; mean: the one through the other.
PAPER = {
    "fixcost": (
        Source("T2J paper", "arXiv 2510.09898: 163 fix steps of 20 programs, the mean from both"),
        (Row(("All steps",), {"drafts": 20, "mean": 163 / 20, "total": 163}),),
    )
}


def read(table: Table, text: str) -> list[Row]:
    """The rows of a CSV text whose first line names columns of the table, by key or title.

    Raises:
        Unreadable: with the line and the column.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        columns = _columns(table, next(lines, []))
        names, _ = columns_of(table)
        rows: dict[Key, Row] = {}
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"Line {lines.line_num}"
            row = _row(names, columns, cells, where)
            if row.key in rows:
                raise Unreadable(f"{where}: “{row.labels[-1]}” has a line already: keep one.")
            rows[row.key] = row
            if len(rows) > MOST_ROWS:
                raise Unreadable(f"There are more than {MOST_ROWS} lines: leave the smallest out.")
    except csv.Error as error:
        raise Unreadable(f"Line {lines.line_num} is no CSV: {error}.") from error
    if not any(row.values for row in rows.values()):
        raise Unreadable("There is no figure in it. Put numbers under the names of the columns.")
    return list(rows.values())


def columns_of(table: Table) -> tuple[list[Column], list[Column]]:
    """The columns of a table that name a row, and those that figures are taken for."""
    at = {column.key: column for column in table.columns}
    names, figures = TAKEN[table.key]
    return [at[key] for key in names], [at[key] for key in figures]


def _columns(table: Table, head: Sequence[str]) -> list[Column]:
    names, figures = columns_of(table)
    known = {word.casefold(): each for each in names + figures for word in (each.key, each.title)}
    offered = ", ".join(column.key for column in names + figures)
    found = []
    for name in head:
        column = known.get(name.strip().casefold())
        if column is None:
            shown = name.strip()[:40]
            raise Unreadable(f"Line 1: there is no column “{shown}”. There are: {offered}.")
        if column in found:
            raise Unreadable(f"Line 1: the column “{column.key}” stands there twice.")
        found.append(column)
    for column in names:
        if column not in found:
            raise Unreadable(f"Line 1 names the columns; it lacks “{column.key}”.")
    return found


def _row(
    names: Sequence[Column], columns: Sequence[Column], cells: Sequence[str], where: str
) -> Row:
    if len(cells) > len(columns):
        raise Unreadable(f"{where} has {len(cells)} cells for {len(columns)} columns.")
    texts = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    labels = tuple(texts.get(column, "") for column in names)
    if not all(labels):
        raise Unreadable(f"{where} does not say which row it is: “{names[-1].key}” is empty.")
    if any(len(label) > LONGEST_LABEL for label in labels):
        raise Unreadable(f"{where}: a name is longer than {LONGEST_LABEL} characters: shorten it.")
    figures = {column: text for column, text in texts.items() if text and column not in names}
    return Row(labels, {column.key: _number(t, column, where) for column, t in figures.items()})


def _number(text: str, column: Column, where: str) -> float:
    """Shares are given as they are written: 0.245, or 24.5 %."""
    part = 100 if column.percent and text.endswith("%") else 1
    try:
        found = float(text[:-1] if part == 100 else text) / part
    except ValueError:
        found = math.nan
    if not 0 <= found < 1e12 or (column.percent and found > 1):
        kind = (
            "a share such as 0.245 or 24.5 %" if column.percent else "a number such as 12 or 8.15"
        )
        raise Unreadable(f"{where}, column “{column.key}”: “{text[:40]}” is not {kind}.")
    return int(found) if found.is_integer() and not column.percent else found


def form_of(table: Table, rows: Iterable[Row]) -> str:
    """The CSV text of these rows; where there are none, of the table's own, to be filled in."""
    rows = list(rows)
    names, columns = columns_of(table)
    known = {key for row in rows for key in row.values}
    # Shares follow from steps: nobody has to type both.
    figures = [each for each in columns if each.key in known or (not rows and not each.percent)]
    if not rows:
        rows = [Row(_labels(row, table), {}) for row in table.rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in (*names, *figures)])
    for row in rows:
        writer.writerow([*row.labels, *(row.values.get(column.key, "") for column in figures)])
    return out.getvalue()


def lay_beside(board: Board, source: Source, rows: Iterable[Row]) -> Board:
    """The board with a further column for each column that was published.

    Rows that only one side has stay empty on the other. Shares that were not published follow from
    the steps that were.
    """
    table = board.table
    found = {row.key: row for row in _with_shares(table, list(rows))}
    names, figures = columns_of(table)
    columns = [c for c in figures if any(c.key in row.values for row in found.values())]
    # A list: two of our own rows may be called alike.
    laid = [(Row(_labels(row, table), {}).key, row) for row in table.rows]
    empty = [Cell(None)] * (len(table.columns) - len(names))
    for row in (row for key, row in found.items() if key not in dict(laid)):
        laid.append((row.key, (*(Cell(label) for label in row.labels), *empty)))
    theirs = tuple(
        replace(column, key=f"published_{column.key}", title=f"{source.name}: {column.title}")
        for column in columns
    )
    wider = replace(
        table,
        columns=(*table.columns, *theirs),
        rows=tuple((*row, *_cells(columns, found.get(key))) for key, row in laid),
        notes=(*table.notes, f"{source.name}: {source.text}. {NOT_OURS}"),
    )
    if not isinstance(board.figure, Bars):
        return Board(wider, board.figure)
    marks = _marks(table, board.figure, laid, found)
    return Board(wider, replace(board.figure, marks=marks, marked=source.name))


def _labels(row: Sequence[Cell], table: Table) -> tuple[str, ...]:
    return tuple(str(cell.value) for cell in row[: len(TAKEN[table.key][0])])


def _cells(columns: Iterable[Column], row: Row | None) -> tuple[Cell, ...]:
    return tuple(Cell(row.values.get(column.key) if row else None) for column in columns)


def _with_shares(table: Table, rows: list[Row]) -> list[Row]:
    """Of all steps, or where rows lie in categories, of the category's."""
    if "share" not in TAKEN[table.key][1]:
        return rows
    totals: dict[Key, float] = defaultdict(float)
    for row in rows:
        totals[row.key[:-1]] += row.values.get("steps", 0)
    return [
        replace(row, values={**row.values, "share": row.values["steps"] / totals[row.key[:-1]]})
        if row.values.get("steps") and "share" not in row.values
        else row
        for row in rows
    ]


def _marks(
    table: Table, figure: Bars, laid: Sequence[tuple[Key, Sequence[Cell]]], found: Mapping[Key, Row]
) -> dict[int, Mark]:
    """Where published figures would end the bars: a count's by its share, for totals differ."""
    at = {column.key: index for index, column in enumerate(table.columns)}
    shown = figure.beside or figure.series[0]
    # Bars by the share that they stand for, within a category.
    scale = {key[:-1]: 1.0 for key, _ in laid if not figure.beside}
    for key, row in laid:
        size, share = row[at[figure.series[0]]].value, row[at[shown]].value
        if figure.beside and isinstance(size, int | float) and isinstance(share, float) and share:
            scale[key[:-1]] = size / share
    marks = {}
    for index, (key, _) in enumerate(laid):
        value = found[key].values.get(shown) if key in found else None
        if value is not None and key[:-1] in scale:
            text = text_of(Cell(value), table.columns[at[shown]])
            marks[index] = Mark(value * scale[key[:-1]], text)
    return marks
