"""Boards drawn as SVG: for a page, whose style sheet colours it, or as a file that colours itself.

Every number that is drawn is written beside it, so that no colour has to be told from another.
"""

from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from scoring.dashboards.base import Bars, Board, Curve, Figure, Heat
from scoring.tables.base import Cell, Column, Table, text_of

# The drawing's own units; a page scales it.
LABEL, TRACK, BEHIND, ROW, HEAD = 176, 270, 114, 28, 24
WIDTH = LABEL + TRACK + BEHIND
CELL, CELL_HEAD = 74, 74
PLOT_WIDTH, PLOT_HEIGHT, PLOT_LEFT, PLOT_FOOT = 484, 220, 52, 44
# What is written of another's figure on a row.
MARKED = 66
LONGEST = {"label": 26, "head": 12}
# Bars are drawn for the first rows; the table has them all.
MOST_ROWS = 40

# What the style sheet says of each class, for a file that stands alone on white.
_TEXT = {"font-family": "system-ui, sans-serif", "font-size": "12", "fill": "#1a2029"}
_ALONE: dict[str, dict[str, str]] = {
    "label": _TEXT,
    "value": _TEXT | {"fill": "#56606d"},
    "title": _TEXT | {"font-weight": "600"},
    "track": {"fill": "#f0f2f5"},
    "bar": {"fill": "#2456c5"},
    "bar s1": {"fill": "#2456c5"},
    "bar s2": {"fill": "#e69f00"},
    "bar s3": {"fill": "#8a94a1"},
    "hit": {"fill": "none"},
    "shade": {"fill": "#2456c5"},
    "edge": {"stroke": "#ffffff", "stroke-width": "5.5", "fill": "none"},
    "mark": {"stroke": "#1a2029", "stroke-width": "2.5", "fill": "none"},
    "axis": {"stroke": "#8a94a1", "fill": "none"},
    "grid": {"stroke": "#dde1e7", "fill": "none"},
    "curve": {"stroke": "#2456c5", "stroke-width": "2.5", "fill": "none"},
}

Point = tuple[float, float]
Linked = Callable[[Cell], str]


def svg_of(board: Board, linked: Linked, *, alone: bool = False) -> str:
    """The board's figure as SVG text, empty where there is none.

    `linked` gives the address of the rows behind a cell, or "". `alone` makes a file of it, with
    its colours and its title, and without links.
    """
    if board.figure is None:
        return ""
    drawing = _Drawing(board, _nowhere if alone else linked, alone)
    return ElementTree.tostring(drawing.drawn(board.figure), encoding="unicode")


def _nowhere(cell: Cell) -> str:
    return ""


class _Drawing:
    def __init__(self, board: Board, linked: Linked, alone: bool) -> None:
        self.table: Table = board.table
        self.linked = linked
        self.alone = alone
        self.at = {column.key: index for index, column in enumerate(self.table.columns)}

    def drawn(self, figure: Figure) -> Element:
        if isinstance(figure, Bars):
            return self._bars(figure)
        if isinstance(figure, Heat):
            return self._heat(figure)
        return self._curve(figure)

    def _canvas(self, width: float, height: float) -> tuple[Element, Element]:
        """The whole drawing, and the group that holds it below its title."""
        top = HEAD + 8 if self.alone else 0
        view = f"0 0 {width:g} {height + top:g}"
        svg = Element("svg", {"class": "chart", "viewBox": view, "role": "group"})
        name = f"{self.table.title}. The table beside it holds the same numbers."
        svg.set("aria-label", name)
        if self.alone:
            svg.set("xmlns", "http://www.w3.org/2000/svg")
            svg.set("width", f"{width:g}")
            svg.set("height", f"{height + top:g}")
            SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
            self._text(svg, "title", (8, 18), self.table.title)
        return svg, SubElement(svg, "g", {"transform": f"translate(0 {top})"})

    def _shape(self, parent: Element, tag: str, kind: str, **values: float | str) -> Element:
        found = {name.replace("_", "-"): _plain(value) for name, value in values.items()}
        colours: Mapping[str, str] = _ALONE[kind] if self.alone else {"class": kind}
        return SubElement(parent, tag, {**colours, **found})

    def _text(self, parent: Element, kind: str, at: Point, text: str, anchor: str = "") -> None:
        more = {"text_anchor": anchor} if anchor else {}
        self._shape(parent, "text", kind, x=at[0], y=at[1], **more).text = _clean(text)

    def _link(self, parent: Element, cell: Cell, name: str) -> Element:
        """The element to draw a cell's shape into: a link to its rows, if there are any."""
        url = self.linked(cell)
        if not url:
            return SubElement(parent, "g")
        return SubElement(parent, "a", {"href": url, "aria-label": _clean(name)})

    def _bars(self, figure: Bars) -> Element:
        series = [(self.at[key], self.table.columns[self.at[key]]) for key in figure.series]
        rows = self.table.rows[:MOST_ROWS]
        sums = [[_size(row[at]) for at, _ in series] for row in rows]
        low = min([0.0, *(min(each) for each in sums)])
        high = max([1e-9, *(sum(each) for each in sums)])
        high = max([high, *(mark.place for mark in figure.marks.values())])
        legend = HEAD if len(series) > 1 or figure.marks else 0
        width = WIDTH + (MARKED if figure.marks else 0)
        svg, canvas = self._canvas(width, legend + len(rows) * ROW)
        if figure.marks:
            self._shape(canvas, "path", "mark", d=f"M{LABEL + 5} 4V19")
            self._text(canvas, "label", (LABEL + 16, 16), figure.marked)
        elif legend:
            self._legend(canvas, [column.title for _, column in series])

        def x(value: float) -> float:
            return LABEL + TRACK * (value - low) / (high - low)

        for index, (row, sizes) in enumerate(zip(rows, sums, strict=True)):
            y = legend + index * ROW
            label = self._shown(row, figure.label)
            self._text(canvas, "label", (LABEL - 10, y + 17), _short(label, "label"), "end")
            self._shape(canvas, "rect", "track", x=LABEL, y=y + 4, width=TRACK, height=18, rx=3)
            start = 0.0
            for number, ((at, column), size) in enumerate(zip(series, sizes, strict=True), start=1):
                name = f"{label}: {text_of(row[at], column)} {column.title.lower()}"
                if mark := figure.marks.get(index):
                    name += f", {figure.marked} {mark.text}"
                left, right = sorted((x(start), x(start + size)))
                place = self._link(canvas, row[at], name)
                kind = f"bar s{number}" if len(series) > 1 else "bar"
                if len(series) == 1:
                    # A short bar would be hard to hit: its whole row is the link.
                    self._shape(place, "rect", "hit", x=0, y=y, width=WIDTH, height=ROW)
                if right > left:
                    self._shape(
                        place, "rect", kind, x=left, y=y + 4, width=right - left, height=18, rx=2
                    )
                start += size
            behind = self._behind(row, figure)
            if mark := figure.marks.get(index):
                for kind in ("edge", "mark"):  # told from the bar by an edge around it
                    self._shape(canvas, "path", kind, d=f"M{x(mark.place):.2f} {y + 1}V{y + 25}")
                behind += f" | {mark.text}"
            self._text(canvas, "value", (LABEL + TRACK + 10, y + 17), behind)
        return svg

    def _legend(self, canvas: Element, titles: Sequence[str]) -> None:
        for number, title in enumerate(titles, start=1):
            x = LABEL + (number - 1) * 110
            self._shape(canvas, "rect", f"bar s{number}", x=x, y=6, width=11, height=11, rx=2)
            self._text(canvas, "label", (x + 16, 16), title)

    def _behind(self, row: tuple[Cell, ...], figure: Bars) -> str:
        keys = [*figure.series, figure.beside] if figure.beside else list(figure.series)
        return " · ".join(self._shown(row, key) for key in keys)

    def _shown(self, row: tuple[Cell, ...], key: str) -> str:
        at = self.at[key]
        return text_of(row[at], self.table.columns[at])

    def _heat(self, figure: Heat) -> Element:
        columns = [(self.at[key], self.table.columns[self.at[key]]) for key in figure.columns]
        rows = self.table.rows[:MOST_ROWS]
        most = max([1.0, *(_size(row[at]) for row in rows for at, _ in columns)])
        width = LABEL + len(columns) * CELL
        svg, canvas = self._canvas(max(width, WIDTH), CELL_HEAD + len(rows) * ROW)
        for index, (_, column) in enumerate(columns):
            self._head(canvas, LABEL + (index + 0.5) * CELL, column)
        for index, row in enumerate(rows):
            y = CELL_HEAD + index * ROW
            label = self._shown(row, figure.label)
            self._text(canvas, "label", (LABEL - 10, y + 17), _short(label, "label"), "end")
            for number, (at, column) in enumerate(columns):
                name, place = f"{label}, {column.title}", (LABEL + number * CELL, y)
                self._shaded(canvas, row[at], name, place, _size(row[at]) / most)
        return svg

    def _head(self, canvas: Element, x: float, column: Column) -> None:
        """A column's title in up to four short lines, the last just above its cells."""
        lines = _lines(column.title)
        for index, line in enumerate(lines):
            y = CELL_HEAD - 8 - (len(lines) - 1 - index) * 15
            self._text(canvas, "value", (x, y), line, "middle")

    def _shaded(self, canvas: Element, cell: Cell, name: str, at: Point, strength: float) -> None:
        """A cell of a heat map, `strength` from 0 to 1."""
        text = f"{_size(cell):g}"
        place = self._link(canvas, cell, f"{name}: {text}")
        box = {"x": at[0] + 1, "y": at[1] + 1, "width": CELL - 2, "height": ROW - 2, "rx": 2}
        self._shape(place, "rect", "track", **box)
        if strength > 0:
            # Half of the colour at most: the number on it must be readable in light and dark.
            self._shape(place, "rect", "shade", fill_opacity=0.08 + 0.42 * strength, **box)
            self._text(place, "label", (at[0] + CELL / 2, at[1] + 17), text, "middle")

    def _curve(self, figure: Curve) -> Element:
        points = [
            (_size(row[self.at[figure.x]]), row[self.at[figure.y]]) for row in self.table.rows
        ]
        last = max(1.0, *(x for x, _ in points), 1.0)
        svg, canvas = self._canvas(PLOT_LEFT + PLOT_WIDTH + 24, PLOT_HEIGHT + PLOT_FOOT + 12)

        def at(x: float, y: float) -> tuple[float, float]:
            return PLOT_LEFT + PLOT_WIDTH * x / last, 12 + PLOT_HEIGHT * (1 - y)

        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            (left, y), (right, _) = at(0, share), at(last, share)
            kind = "grid" if share else "axis"
            self._shape(canvas, "path", kind, d=f"M{left:.2f} {y:.2f}H{right:.2f}")
            self._text(canvas, "value", (PLOT_LEFT - 8, y + 4), f"{share:.0%}", "end")
        for step in _ticks(int(last)):
            x, y = at(step, 0)
            self._text(canvas, "value", (x, y + 18), str(step), "middle")
        x, y = at(last / 2, 0)
        self._text(canvas, "label", (x, y + 36), figure.x_title, "middle")
        left, top = at(0, 1)
        path = f"M{left:.2f} {top:.2f}"
        for time, cell in points:
            x, y = at(time, _size(cell))
            path += f"H{x:.2f}V{y:.2f}"
        self._shape(canvas, "path", "curve", d=path)
        return svg


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}".rstrip("0").rstrip(".")


def _size(cell: Cell) -> float:
    return float(cell.value) if isinstance(cell.value, int | float) else 0.0


def _short(text: str, what: str) -> str:
    most = LONGEST[what]
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _lines(title: str) -> list[str]:
    """Words of a title in lines that fit above a cell."""
    lines: list[str] = []
    for word in title.split():
        if lines and len(lines[-1]) + 1 + len(word) <= LONGEST["head"]:
            lines[-1] += f" {word}"
        else:
            lines.append(_short(word, "head"))
    return lines[:4]


def _ticks(last: int) -> range:
    """At most a dozen whole numbers from 0 on."""
    return range(0, last + 1, max(1, -(-last // 12)))


def _clean(text: str) -> str:
    """Without what no XML may hold, such as control characters in a model's name."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "�" for sign in text)
