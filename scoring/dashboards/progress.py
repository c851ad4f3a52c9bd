"""How far a dataset is: the funnel, the plan, and whether verdicts are still true."""

import math
from collections import Counter
from datetime import date, timedelta

from django.utils import timezone

from curation.enums import DraftStatus
from scoring.dashboards.base import Bars, Board
from scoring.dashboards.data import Data
from scoring.tables.base import Cell, Column, Table

# The pace is what the last whole weeks brought.
PACE_WEEKS = 4


def funnel(data: Data) -> Board:
    """Drafts, those that ran, those that match their reference, those that were approved."""
    counts = data.counts("draft", 0, 1, 5)
    stages = [
        ("Drafts", {}, counts.total()),
        ("Executed", {"executed": "1"}, _sum(counts, 2, "true")),
        ("Newest revision matches", {"outcome": "pass"}, _sum(counts, 1, "pass")),
        ("Approved", {"status": "approved"}, _sum(counts, 0, DraftStatus.APPROVED)),
    ]
    rows, before = [], stages[0][2]
    for name, keys, number in stages:
        found = {"of": "drafts", **keys}
        rows.append(
            (
                Cell(name, drill=found),
                Cell(number, drill=found),
                Cell(number / stages[0][2] if stages[0][2] else None),
                Cell(number / before if before else None),
            )
        )
        before = number
    columns = (
        Column("stage", "Stage"),
        Column("drafts", "Drafts"),
        Column("share", "Of all", percent=True, digits=3),
        Column("of_before", "Of the stage before", percent=True, digits=3),
    )
    table = Table(
        "funnel",
        "Funnel",
        "From draft to run to match to approval.",
        columns,
        tuple(rows),
        ("A draft can be approved with a written reason although it does not match.",),
    )
    return Board(table, Bars(("drafts",), "stage", "share") if stages[0][2] else None)


def _sum(counts: Counter[tuple[str, ...]], at: int, value: str) -> int:
    return sum(number for keys, number in counts.items() if keys[at] == value)


def plan(data: Data) -> Board:
    """What is approved against what is wanted, and whether the pace is enough."""
    counts = data.counts("draft", 0)
    total, approved = counts.total(), counts[(DraftStatus.APPROVED.value,)]
    wanted = total if data.plan.approved_wanted is None else data.plan.approved_wanted
    left = max(0, wanted - approved)
    today = timezone.now().date()
    weekly = _pace(data, today)
    rows = [
        ("Wanted", wanted, {}),
        ("Approved", approved, {"of": "drafts", "status": "approved"}),
        ("Verified, to be approved", counts[("verified",)], {"of": "drafts", "status": "verified"}),
        ("In repair", counts[("repairing",)], {"of": "drafts", "status": "repairing"}),
        ("Not taken up", counts[("draft",)], {"of": "drafts", "status": "draft"}),
        ("Left to approve", left, {}),
    ]
    columns = (Column("what", "What"), Column("drafts", "Drafts"))
    table = Table(
        "plan",
        "Progress against the plan",
        _said(left, weekly, data.plan.due, today),
        columns,
        tuple((Cell(what), Cell(number, drill=found)) for what, number, found in rows),
    )
    return Board(table, Bars(("drafts",), "what") if wanted else None)


def _pace(data: Data, today: date) -> float:
    """Approvals per week over the last whole weeks."""
    this_week = today - timedelta(days=today.weekday())
    since = this_week - timedelta(weeks=PACE_WEEKS)
    weeks = data.counts("approval", 0)
    return (
        sum(n for (week,), n in weeks.items() if f"{since}" <= week < f"{this_week}") / PACE_WEEKS
    )


def _said(left: int, weekly: float, due: date | None, today: date) -> str:
    pace = f"{weekly:.1f} drafts a week were approved over the last {PACE_WEEKS} whole weeks"
    if not left:
        return f"The plan is met; {pace}."
    if due is None:
        return f"No date is set; {pace}."
    if due <= today:
        return f"It was due on {due:%Y-%m-%d}; {pace}."
    needed = left * 7 / (due - today).days
    if weekly <= 0:
        return f"{needed:.1f} a week are needed until {due:%Y-%m-%d}; {pace}."
    done = today + timedelta(days=min(36_500, math.ceil(left / weekly * 7)))
    return (
        f"{needed:.1f} a week are needed until {due:%Y-%m-%d}; {pace}, "
        f"which is done by {done:%Y-%m-%d}."
    )


def freshness(data: Data) -> Board:
    """Newest verdicts by month, and whether they rest on what is there now."""
    found = data.counts("fresh", 0, 1)
    months = sorted({month for (_, month) in found if month}, reverse=True)
    rows = [
        (
            Cell(month),
            *(
                Cell(
                    found[state, month],
                    drill={"of": "drafts", "freshness": state, "judged_in": month}
                    if found[state, month]
                    else {},
                )
                for state in ("current", "stale", "none")
            ),
        )
        for month in months
    ]
    missing = found["none", ""]
    if missing:
        none = Cell(missing, drill={"of": "drafts", "freshness": "none"})
        rows.append((Cell("Not run"), Cell(0), Cell(0), none))
    columns = (
        Column("month", "Newest verdict"),
        Column("current", "Current"),
        Column("stale", "Stale"),
        Column("none", "None"),
    )
    table = Table(
        "freshness",
        "Freshness of verdicts",
        "Drafts by the verdict of their newest revision. Stale: reference, contract, verifier or "
        "packages changed since.",
        columns,
        tuple(rows),
    )
    return Board(table, Bars(("current", "stale", "none"), "month") if rows else None)
