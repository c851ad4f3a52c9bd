"""Table 6 with its subcategories (Tables 7 and 8): what fix steps mend, and where."""

from collections import Counter
from collections.abc import Iterator

from curation.enums import Difficulty, StepKind
from curation.models import Category
from scoring.dashboards.base import Bars, Board, Heat
from scoring.dashboards.data import BREAKDOWNS, Data
from scoring.tables.base import Cell, Column, Table

NONE = "none"
NO_CATEGORY = "No category"
# A table of more columns than this is no help; the largest are shown.
MOST_COLUMNS = 12


def names_of(data: Data, counts: Counter[str]) -> list[tuple[str, str]]:
    """(slug, name) of every category, the largest first; last "" if a step has none."""
    known = [(each.slug, each.name) for each in data.categories]
    known.sort(key=lambda pair: -counts[pair[0]])
    return known + [("", NO_CATEGORY)] * bool(counts[""])


def drill(slug: str, **more: str) -> dict[str, str]:
    return {"of": "steps", "category": slug or NONE, **more}


def table_6(data: Data) -> Board:
    """Categories by size, with what kind of steps they hold."""
    kinds = data.counts("step", 0, 2)
    counts: Counter[str] = Counter()
    for (slug, _), number in kinds.items():
        counts[slug] += number
    total = counts.total()
    rows = tuple(
        (
            Cell(name, drill=drill(slug)),
            Cell(counts[slug], drill=drill(slug)),
            Cell(_share(counts[slug], total)),
            *(
                Cell(kinds[slug, kind], drill=drill(slug, kind=kind.value) if counts[slug] else {})
                for kind in StepKind
            ),
        )
        for slug, name in names_of(data, counts)
    )
    columns = (
        Column("category", "Category"),
        Column("steps", "Steps"),
        Column("share", "Share", percent=True, digits=3),
        *(Column(kind.value, kind.label) for kind in StepKind),
    )
    title = f"Table 6: categories of {total} fix step{'' if total == 1 else 's'}"
    table = Table("categories", title, "What fix steps mend.", columns, rows)
    return Board(table, Bars(("steps",), "category", "share") if total else None)


def tables_7_and_8(data: Data) -> Board:
    """Subcategories within the categories that have any."""
    counts = data.counts("step", 0, 1)
    rows = tuple(row for category in data.categories for row in _subcategories(category, counts))
    columns = (
        Column("category", "Category"),
        Column("subcategory", "Subcategory"),
        Column("steps", "Steps"),
        Column("share", "Share of the category", percent=True, digits=3),
    )
    table = Table(
        "subcategories",
        "Tables 7 and 8: subcategories",
        "What fix steps of each category mend, in detail; subcategories without a step are left "
        "out.",
        columns,
        rows,
    )
    return Board(table, Bars(("steps",), "subcategory", "share") if rows else None)


def _subcategories(
    category: Category, counts: Counter[tuple[str, ...]]
) -> Iterator[tuple[Cell, ...]]:
    subs = [(sub.slug, sub.name) for sub in category.subcategories.all()]
    if not subs:
        return
    total = sum(number for (slug, _), number in counts.items() if slug == category.slug)
    subs.sort(key=lambda pair: -counts[category.slug, pair[0]])
    for slug, name in [*subs, ("", "No subcategory")]:
        number = counts[category.slug, slug]
        if number:
            found = drill(category.slug, subcategory=slug or NONE)
            yield (
                Cell(category.name),
                Cell(name, drill=found),
                Cell(number, drill=found),
                Cell(_share(number, total)),
            )


def breakdown(data: Data) -> Board:
    """Categories against difficulty, model, month or dataset: whatever the address says."""
    by = data.chosen.by
    found = data.steps_by(by)
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for (slug, value), number in found.items():
        sizes[value] += number
        counts[slug] += number
    values = _ordered(by, sizes)
    own = data.dataset.slug
    rows = tuple(
        (
            Cell(name),
            *(
                Cell(
                    found[slug, value],
                    drill=_place(drill(slug), by, value, own) if found[slug, value] else {},
                )
                for value in values
            ),
        )
        for slug, name in names_of(data, counts)
    )
    columns = (
        Column("category", "Category"),
        *(Column(f"{by}:{value}", _label(by, value)) for value in values),
    )
    left = len(sizes) - len(values)
    notes = (f"{left} smaller ones are left out.",) if left else ()
    title = f"Categories by {BREAKDOWNS[by].lower()}"
    table = Table("breakdown", title, "Fix steps of each category.", columns, rows, notes)
    heat = Heat("category", tuple(column.key for column in columns[1:]))
    return Board(table, heat if values else None)


def _ordered(by: str, sizes: Counter[str]) -> list[str]:
    if by == "difficulty":
        return [value for value in Difficulty.values if sizes[value]]
    if by == "month":
        return sorted(sizes)[-MOST_COLUMNS:]
    return sorted(sizes, key=lambda value: (-sizes[value], value))[:MOST_COLUMNS]


def _label(by: str, value: str) -> str:
    if by == "difficulty":
        return str(Difficulty(value).label)
    return value or "No name"


def _place(found: dict[str, str], by: str, value: str, own: str) -> dict[str, str]:
    """Where the rows are: `in` names another dataset."""
    if by == "dataset":
        return found | ({"in": value} if value != own else {})
    return found | {by: value or NONE}


def _share(number: int, total: int) -> float | None:
    return number / total if total else None
