"""How far judges can be believed: their marks against verdicts and against what people found."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from scoring.metrics import MEASURES
from scoring.metrics.judges import HIGHEST
from scoring.statistics.agreement import auc, cohen_kappa, reliability
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Data
from scoring.tables.quality import JUDGED

# A mark of 3 or 4 says: this can be used as it is, or nearly.
GOOD_FROM = 3
# Who says whether a translation is right, and the measure that holds what they say.
WITNESSES = {"execution": "matches", "people": "fixcost_behaviour"}
WITNESSES_NOTE = (
    "Execution: the verdict is a pass. People: the repair took no step that mends behaviour."
)

Means: TypeAlias = Mapping[tuple[str, str], Mapping[int, float]]


def judges_table(data: Data) -> Table:
    """A row per judge, mark and witness."""
    means = _means(data)
    rows = tuple(
        (*_row(key, means[key], name, labels), _spread(data, *key))
        for key in _marks(means)
        for name, labels in _labels(means).items()
    )
    columns = (
        Column("judge", "Judge"),
        Column("mark", "Mark"),
        Column("witness", "Against"),
        Column("n", "n"),
        Column("kappa", "Cohen's kappa"),
        Column("auc", "AUC"),
        Column("claimed", "Called good", percent=True),
        Column("right", "Are right", percent=True),
        Column("gap", "Calibration gap", percent=True),
        Column("bias", "Overconfidence", percent=True),
        Column("spread", "Spread of repeats"),
    )
    return Table(
        "judges",
        "Judges",
        "Agreement of the judges' marks with execution and with people.",
        columns,
        rows,
        (
            f"Called good: a mean mark of {GOOD_FROM} or more of {HIGHEST}. {WITNESSES_NOTE}",
            "Gap: the mean distance between mark and share that is right, over marks. "
            "Overconfidence: the same with its sign; above 0 a judge believes too much.",
            "Spread: the mean standard deviation of a judge's repeated marks of one translation.",
        ),
    )


def _means(data: Data) -> Means:
    return data.means([*JUDGED, *WITNESSES.values()])


def _marks(means: Means) -> list[tuple[str, str]]:
    """Every mark of every judge, as (measure, judge)."""
    return sorted((key for key in means if key[1]), key=lambda key: (key[1], JUDGED.index(key[0])))


def _labels(means: Means) -> dict[str, dict[int, bool]]:
    """Witness -> translation id -> whether the witness says that it is right."""
    best = {"execution": 1, "people": 0}
    return {
        name: {pk: value == best[name] for pk, value in means.get((measure, ""), {}).items()}
        for name, measure in WITNESSES.items()
    }


def _row(
    key: tuple[str, str], marks: Mapping[int, float], witness: str, labels: Mapping[int, bool]
) -> tuple[Cell, ...]:
    measure, judge = key
    ids = sorted(marks.keys() & labels.keys())
    scores: Sequence[float] = [marks[pk] for pk in ids]
    right = [labels[pk] for pk in ids]
    good = [score >= GOOD_FROM for score in scores]
    kappa, area = cohen_kappa(good, right), auc(scores, right)
    found = reliability(scores, right, scale=HIGHEST)
    none = "" if ids else "nothing to compare with yet"
    drill = {"measure": f"{measure},{WITNESSES[witness]}", "judge": judge}
    return (
        Cell(judge),
        Cell(MEASURES[measure].title),
        Cell(witness),
        Cell(len(ids), drill=drill),
        Cell(kappa.value, why=kappa.why, drill=drill),
        Cell(area.value, why=area.why, drill=drill),
        Cell(sum(good) / len(ids) if ids else None, why=none, drill=drill),
        Cell(sum(right) / len(ids) if ids else None, why=none, drill=drill),
        Cell(found.gap, why=none, drill=drill),
        Cell(found.bias, why=none, drill=drill),
    )


def _spread(data: Data, measure: str, judge: str) -> Cell:
    """What a judge's repeats differ by, over the translations of all settings."""
    rows = [
        row
        for (_, name, who), row in data.summaries.items()
        if (name, who) == (measure, judge) and row.spread is not None
    ]
    n = sum(row.n for row in rows)
    drill = {"measure": measure, "judge": judge}
    if not n:
        return Cell(None, why="each was asked once", drill=drill)
    return Cell(sum((row.spread or 0) * row.n for row in rows) / n, n=n, drill=drill)


def reliability_table(data: Data) -> Table:
    """A row per judge, mark, witness and value: how much of what it marked so is right."""
    means = _means(data)
    rows = tuple(
        cells
        for key in _marks(means)
        for witness, labels in _labels(means).items()
        for cells in _by_value(key, means[key], witness, labels)
    )
    columns = (
        Column("judge", "Judge"),
        Column("mark", "Mark"),
        Column("witness", "Against"),
        Column("value", "Value", 1),
        Column("n", "n"),
        Column("right", "Are right", percent=True, interval=True),
    )
    return Table(
        "reliability",
        "Reliability",
        "Share that is right, by mark.",
        columns,
        rows,
        (WITNESSES_NOTE, "Repeats of a judge are averaged first: a value may be between marks."),
    )


def _by_value(
    key: tuple[str, str], marks: Mapping[int, float], witness: str, labels: Mapping[int, bool]
) -> Iterator[tuple[Cell, ...]]:
    measure, judge = key
    ids = sorted(marks.keys() & labels.keys())
    found = reliability([marks[pk] for pk in ids], [labels[pk] for pk in ids], scale=HIGHEST)
    for row in found.rows:
        low, high = (row.interval.low, row.interval.high) if row.interval else (None, None)
        drill = {
            "measure": f"{measure},{WITNESSES[witness]}",
            "judge": judge,
            "mark": f"{row.score:.6g}",
        }
        yield (
            Cell(judge),
            Cell(MEASURES[measure].title),
            Cell(witness),
            Cell(row.score, drill=drill),
            Cell(row.n, drill=drill),
            Cell(row.share, n=row.n, low=low, high=high, drill=drill),
        )
