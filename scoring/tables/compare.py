"""Experiments side by side: a column per setting, a row per measure."""

from collections.abc import Sequence

from scoring.tables.base import Cell, Column, Table, text_of

SHOWN = (
    ("2", ("translations", "codebleu", "use_ref", "use_noref", "func_ref", "func_noref")),
    ("2", ("comparison", "parses", "runs", "matches", "pass_at_1")),
    ("5", ("mean", "behaviour_mean", "weighted_mean")),
)


def side_by_side(experiments: Sequence[tuple[str, Table, Table]]) -> Table:
    """The chosen measures of (slug, Table 2, Table 5) of each experiment, as texts."""
    columns = [Column("measure", "Measure")]
    for slug, quality, _ in experiments:
        for row in quality.rows:
            columns.append(Column(f"{slug}/{row[0].value}", f"{slug} / {row[0].value}"))
    rows = []
    for key, names in SHOWN:
        for name in names:
            cells: list[Cell] = []
            title = ""
            for slug, quality, repair in experiments:
                table = quality if key == "2" else repair
                found, title = _column(slug, table, name, title)
                cells += found
            if title and any(cell.value != "–" for cell in cells):
                rows.append((Cell(title), *cells))
    return Table("compare", "Side by side", "", tuple(columns), tuple(rows))


def _column(slug: str, table: Table, name: str, title: str) -> tuple[list[Cell], str]:
    """A column's texts; dashes where the experiment's table has no such column."""
    for at, column in enumerate(table.columns):
        if column.key == name:
            prefix = "FixCost: " if table.key == "5" else ""
            cells = [
                Cell(
                    text_of(row[at], column),
                    why=row[at].why,
                    drill={**row[at].drill, "experiment": slug},
                )
                for row in table.rows
            ]
            return cells, f"{prefix}{column.title}"
    return [Cell("–") for _ in table.rows], title
