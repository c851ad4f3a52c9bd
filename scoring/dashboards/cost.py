"""Table 5 and what is behind it: FixCost, its distribution, and steps until a pass."""

import itertools
from collections import Counter

from scoring.dashboards.base import Bars, Board, Curve
from scoring.dashboards.data import Data
from scoring.statistics import fixcost_of
from scoring.statistics.survival import kaplan_meier, median_of
from scoring.tables.base import Cell, Column, Table


def table_5(data: Data) -> Board:
    """FixCost by all steps and by those alone that change behaviour."""
    counts = data.counts("cost", 0, 1)
    rows = tuple(_cost_row(name, counts, at) for name, at in (("All steps", 0), ("Behaviour", 1)))
    columns = (
        Column("steps", "Steps"),
        Column("drafts", "Drafts"),
        Column("min", "Min"),
        Column("max", "Max"),
        Column("mean", "Mean"),
        Column("median", "Median", 1),
        Column("total", "Total"),
    )
    table = Table(
        "fixcost",
        "Table 5: FixCost",
        "Fix steps per draft, over drafts that were worked on or need none.",
        columns,
        rows,
        ("Drafts without a step that nobody verified are not counted: their cost is not known.",),
    )
    return Board(table, Bars(("mean",), "steps") if counts else None)


def _cost_row(name: str, counts: Counter[tuple[str, ...]], at: int) -> tuple[Cell, ...]:
    per_draft = itertools.chain.from_iterable(
        itertools.repeat(int(keys[at]), number) for keys, number in counts.items()
    )
    cost = fixcost_of(list(per_draft))
    values = (cost.min, cost.max, cost.mean, cost.median, cost.total)
    found = {"of": "drafts", "taken": "1"}
    return (Cell(name), Cell(cost.drafts, drill=found), *(Cell(value) for value in values))


def distribution(data: Data) -> Board:
    """How many drafts took how many steps."""
    counts = {int(key[0]): number for key, number in data.counts("cost", 0).items()}
    total, sofar, rows = sum(counts.values()), 0, []
    for steps in sorted(counts):
        sofar += counts[steps]
        found = {"of": "drafts", "taken": "1", "steps": str(steps)}
        rows.append(
            (
                Cell(steps, drill=found),
                Cell(counts[steps], drill=found),
                Cell(counts[steps] / total),
                Cell(sofar / total),
            )
        )
    columns = (
        Column("steps", "Steps"),
        Column("drafts", "Drafts"),
        Column("share", "Share", percent=True, digits=3),
        Column("up_to", "Up to here", percent=True, digits=3),
    )
    table = Table(
        "distribution",
        "FixCost distribution",
        "Drafts by the number of their fix steps.",
        columns,
        tuple(rows),
    )
    return Board(table, Bars(("drafts",), "steps", "share") if rows else None)


def survival(data: Data) -> Board:
    """Which share of drafts does not pass yet after so many steps (Kaplan-Meier)."""
    events: Counter[int] = Counter()
    censored: Counter[int] = Counter()
    for (passed_after, steps), number in data.counts("way", 0, 1).items():
        if passed_after:
            events[int(passed_after)] += number
        else:
            censored[int(steps)] += number
    curve = kaplan_meier(events, censored)
    rows = tuple(
        (
            Cell(point.time),
            Cell(point.at_risk),
            Cell(
                point.events,
                drill={"of": "drafts", "passed_after": str(point.time)} if point.events else {},
            ),
            Cell(
                point.censored,
                drill={"of": "drafts", "stuck_at": str(point.time)} if point.censored else {},
            ),
            Cell(point.share),
        )
        for point in curve
    )
    columns = (
        Column("steps", "Steps"),
        Column("under_way", "Under way"),
        Column("passed", "First pass"),
        Column("open", "Not passed so far"),
        Column("share", "Share that needs more", percent=True, digits=3),
    )
    median = median_of(curve)
    half = "more than half do not pass yet" if median is None else f"half pass by step {median}"
    table = Table(
        "survival",
        "Steps to pass",
        f"Drafts with a verdict, by the first of their revisions that passes: {half}."
        if curve
        else "Drafts with a verdict, by the first of their revisions that passes.",
        columns,
        rows,
        ("Kaplan-Meier: a draft that has not passed counts up to its last step.",),
    )
    return Board(table, Curve("steps", "share", "fix steps") if curve else None)
