"""What drafts fail at: by rung of the ladder, and by what was mended."""

from collections import Counter

from executor.parity.outcome import Kind, Outcome, Stage
from scoring.dashboards.base import Bars, Board, Heat
from scoring.dashboards.categories import drill, names_of
from scoring.dashboards.data import Data
from scoring.tables.base import Cell, Column, Table


def rungs(data: Data) -> Board:
    """Kinds of failure of newest revisions, in the order in which the ladder is climbed."""
    counts = data.counts("draft", 1, 2, 3, 4)
    stages = list(Stage)
    failed = sorted(
        ((keys, number) for keys, number in counts.items() if keys[0] in ("fail", "undecided")),
        key=lambda item: (_rung(stages, item[0]), -item[1], item[0]),
    )
    total = sum(number for _, number in failed)
    rows = tuple(
        (
            Cell(
                f"{keys[1] or 'undecided'}: {(keys[2] or keys[3]).replace('_', ' ')}", drill=found
            ),
            Cell(keys[1]),
            Cell(keys[0]),
            Cell(number, drill=found),
            Cell(number / total),
        )
        for keys, number in failed
        for found in [_of(keys)]
    )
    columns = (
        Column("error", "Error"),
        Column("rung", "Rung"),
        Column("outcome", "Outcome"),
        Column("drafts", "Drafts"),
        Column("share", "Share", percent=True, digits=3),
    )
    table = Table(
        "rungs",
        "Errors by rung of the ladder",
        "Newest revisions that fail or could not be decided, by how far they get.",
        columns,
        rows,
    )
    return Board(table, Bars(("drafts",), "error", "share") if rows else None)


def _rung(stages: list[Stage], keys: tuple[str, ...]) -> tuple[bool, int]:
    """Failures first, from the lowest rung up."""
    stage = keys[1]
    known = [each.value for each in stages]
    return keys[0] != Outcome.FAIL, known.index(stage) if stage in known else len(known)


def _of(keys: tuple[str, ...]) -> dict[str, str]:
    names = ("outcome", "stage", "kind", "reason")
    found = {name: value for name, value in zip(names, keys, strict=True) if value}
    return {"of": "drafts", **found} | ({} if keys[1] else {"stage": "none"})


def heat_map(data: Data) -> Board:
    """Category of a step against what was wrong with the program before it."""
    found = data.counts("met", 0, 1)
    counts: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for (slug, kind), number in found.items():
        counts[slug] += number
        met[kind] += number
    order = [*(kind.value for kind in Kind), "undecided", "pass", "none"]
    kinds = [kind for kind in order if met[kind]]
    rows = tuple(
        (
            Cell(name),
            *(
                Cell(
                    found[slug, kind],
                    drill=drill(slug, met=kind) if found[slug, kind] else {},
                )
                for kind in kinds
            ),
        )
        for slug, name in names_of(data, counts)
        if counts[slug]
    )
    columns = (
        Column("category", "Category"),
        *(Column(kind, _title(kind)) for kind in kinds),
    )
    table = Table(
        "heat-map",
        "Category and kind of failure",
        "Fix steps by their category and by what the verifier said of the program before them.",
        columns,
        rows,
    )
    return Board(table, Heat("category", tuple(kinds)) if rows else None)


def _title(kind: str) -> str:
    return {"none": "Not run", "pass": "Passed", "undecided": "Undecided"}.get(
        kind, kind.replace("_", " ").capitalize()
    )
