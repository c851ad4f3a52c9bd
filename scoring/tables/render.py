"""A table as CSV, JSON, Markdown and LaTeX."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

from scoring.csv_cells import safe_cell
from scoring.tables.base import Cell, Column, Table, rounded, text_of

_TEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "–": "--",
    }
)


def as_csv(table: Table) -> str:
    """A column per value; n and the interval beside it where there is one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([key for column in table.columns for key in _keys(column)])
    for row in table.rows:
        pairs = zip(row, table.columns, strict=True)
        writer.writerow([safe_cell(each) for cell, col in pairs for each in _values(cell, col)])
    return out.getvalue()


def _keys(column: Column) -> list[str]:
    key = column.key
    return [key, f"{key}_low", f"{key}_high", f"{key}_n"] if column.interval else [key]


def _values(cell: Cell, column: Column) -> list[Any]:
    own = cell.why if cell.value is None and cell.why else rounded(cell.value)
    if not column.interval:
        return [own]
    return [own, rounded(cell.low), rounded(cell.high), cell.n]


def as_json(table: Table) -> str:
    """Everything that the table holds."""
    content = {
        "table": table.key,
        "title": table.title,
        "caption": table.caption,
        "columns": [{"key": column.key, "title": column.title} for column in table.columns],
        "rows": [
            {col.key: _plain(cell) for cell, col in zip(row, table.columns, strict=True)}
            for row in table.rows
        ],
        "notes": list(table.notes),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _plain(cell: Cell) -> Any:
    if cell.n is None and cell.low is None and not cell.why:
        return rounded(cell.value)
    found = {"value": cell.value, "n": cell.n, "low": cell.low, "high": cell.high, "why": cell.why}
    return {key: rounded(value) for key, value in found.items() if value not in (None, "")} | {
        "value": rounded(cell.value)
    }


def as_markdown(table: Table) -> str:
    def line(texts: Iterable[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    head = [column.title for column in table.columns]
    rule = ["---"] + ["---:"] * (len(head) - 1)
    lines = [f"**{table.title}.** {table.caption}", "", line(head), line(rule)]
    lines += [line(texts) for texts in texts_of(table)]
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def as_latex(table: Table) -> str:
    """A `tabular` with booktabs rules, ready to be input."""

    def line(texts: Iterable[str]) -> str:
        return "  " + " & ".join(text.translate(_TEX) for text in texts) + r" \\"

    lines = [
        r"\begin{table}",
        rf"\caption{{{(table.title + '. ' + table.caption).translate(_TEX)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"  \toprule",
        line(column.title for column in table.columns),
        r"  \midrule",
        *(line(texts) for texts in texts_of(table)),
        r"  \bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {note.translate(_TEX)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def texts_of(table: Table) -> list[list[str]]:
    """The cells as people read them."""
    return [
        [text_of(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]


FORMATS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "csv": ("text/csv", as_csv),
    "json": ("application/json", as_json),
    "md": ("text/markdown", as_markdown),
    "tex": ("application/x-tex", as_latex),
}
