"""How much is done, and how far independent repairs agree; nobody by name unless a lead says so."""

from collections import Counter

from scoring.agreement import Row
from scoring.dashboards.base import Bars, Board
from scoring.dashboards.data import Data
from scoring.statistics.agreement import Agreement
from scoring.tables.base import Cell, Column, Table

HOUR = 3600
# Of longer work the newest weeks are shown.
MOST_WEEKS = 26


def throughput(data: Data) -> Board:
    """Fix steps, active hours and approvals by week."""
    work = {key[0]: values for key, values in data.sums("work", 0).items()}
    approvals = {key[0]: number for key, number in data.counts("approval", 0).items()}
    rows = []
    for week in sorted(work.keys() | approvals.keys())[-MOST_WEEKS:]:
        steps, seconds = work.get(week, (0, 0))
        found = {"of": "steps", "week": week} if steps else {}
        rows.append(
            (
                Cell(week, drill=found),
                Cell(steps, drill=found),
                Cell(seconds / HOUR),
                Cell(approvals.get(week, 0)),
            )
        )
    columns = (
        Column("week", "Week from"),
        Column("steps", "Steps"),
        Column("hours", "Active hours", 1),
        Column("approved", "Drafts approved"),
    )
    table = Table(
        "throughput",
        "Throughput",
        "Fix steps, active hours and approvals, by the week in which they were saved.",
        columns,
        tuple(rows),
    )
    return Board(table, Bars(("steps",), "week") if rows else None)


def annotators(data: Data) -> Board:
    """What each person did; numbered unless the plan lets dashboards name people."""
    work = {key[0]: values for key, values in data.sums("work", 1).items()}
    approvals: Counter[str] = Counter()
    for (person,), number in data.counts("approval", 1).items():
        approvals[person] += number
    names = data.people(work.keys() | approvals.keys())
    total = sum(steps for person, (steps, _) in work.items() if person)
    rows = []
    for person, name in names.items():
        steps, seconds = work.get(person, (0, 0))
        rows.append(
            (
                Cell(name),
                Cell(steps),
                Cell(steps / total if total else None),
                Cell(seconds / HOUR),
                Cell(steps * HOUR / seconds if seconds else None),
                Cell(approvals[person]),
            )
        )
    columns = (
        Column("who", "Who"),
        Column("steps", "Steps"),
        Column("share", "Share", percent=True, digits=3),
        Column("hours", "Active hours", 1),
        Column("per_hour", "Steps an hour", 1),
        Column("approved", "Drafts approved"),
    )
    notes = () if data.plan.names_shown else ("A lead decides whether people are named here.",)
    table = Table(
        "annotators",
        "Work by annotator",
        "Fix steps saved and drafts approved by each person; imported steps are nobody's.",
        columns,
        tuple(rows),
        notes,
    )
    return Board(table, Bars(("steps",), "who") if rows else None)


def agreement(data: Data) -> Board:
    """Coefficients over drafts with two independent repairs or more."""
    report = data.agreement
    found: list[tuple[str, Agreement]] = [
        ("Categories, Fleiss' kappa", report.fleiss),
        ("Categories, Krippendorff's alpha", report.whole.category),
        ("Number of steps, alpha", report.whole.steps),
        *(pair for row in report.months for pair in _of_month(row)),
    ]
    rows = tuple(_agreement_row(name, value) for name, value in found) if report.drafts else ()
    columns = (
        Column("of", "Over"),
        Column("value", "Coefficient", 3),
        Column("n", "Units"),
        Column("why", "Why there is none"),
    )
    table = Table(
        "agreement",
        "Annotator agreement",
        f"{report.repairs} independent repairs of {report.drafts} drafts.",
        columns,
        rows,
    )
    drawn = any(value.value is not None for _, value in found)
    return Board(table, Bars(("value",), "of") if rows and drawn else None)


def _of_month(row: Row) -> tuple[tuple[str, Agreement], tuple[str, Agreement]]:
    return (f"{row.of}, categories", row.category), (f"{row.of}, number of steps", row.steps)


def _agreement_row(name: str, found: Agreement) -> tuple[Cell, ...]:
    return (Cell(name), Cell(found.value), Cell(found.n), Cell(found.why))
