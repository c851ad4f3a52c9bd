"""Table 3: do the metrics say the same, and does execution agree with them?"""

from dataclasses import dataclass
from itertools import combinations

from scoring.metrics import MEASURES
from scoring.statistics.corrections import holm
from scoring.statistics.correlation import METHODS, Correlation
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Data

COMPARED = ("codebleu", "use_ref", "use_noref", "func_ref", "func_noref", "matches", "fixcost")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two columns of numbers over the same translations."""

    first: str
    second: str
    found: dict[str, Correlation]
    drill: dict[str, str]


def table_3(data: Data) -> Table:
    """A row per pair of measures: three coefficients, each with n, p and interval."""
    pairs = _pairs(data)
    correction = holm([pair.found["spearman"].p for pair in pairs])
    rows = tuple(
        _row(pair, adjusted) for pair, adjusted in zip(pairs, correction.adjusted, strict=True)
    )
    columns = [Column("first", "Metric"), Column("second", "against"), Column("n", "n")]
    for method in METHODS:
        columns += [
            Column(method, method.capitalize(), interval=True),
            Column(f"{method}_p", f"p ({method.capitalize()})", 4, p_value=True),
        ]
    columns.append(Column("adjusted_p", "p (Spearman), adjusted", 4, p_value=True))
    return Table(
        "3",
        "Table 3",
        "Correlation of the metrics with one another and with execution.",
        tuple(columns),
        rows,
        (
            "Over translations of all settings; repeats of a judge are averaged first. Intervals: "
            "95 %, percentile bootstrap with a fixed seed. p is exact up to 8 pairs.",
            f"Adjusted: {correction} (Spearman).",
            "Translations of one example are not independent: read p values with that in mind.",
        ),
    )


def _pairs(data: Data) -> list[Pair]:
    columns = data.means(list(COMPARED))
    order = sorted(columns, key=lambda key: (COMPARED.index(key[0]), key[1]))
    several = len(data.judges) > 1
    pairs = []
    for one, other in combinations(order, 2):
        ids = [pk for pk in data.places if pk in columns[one] and pk in columns[other]]
        xs, ys = [columns[one][pk] for pk in ids], [columns[other][pk] for pk in ids]
        found = {name: method(xs, ys) for name, method in METHODS.items()}
        names = _name(one, several=several), _name(other, several=several)
        pairs.append(Pair(*names, found, _drill(one, other)))
    return pairs


def _drill(*keys: tuple[str, str]) -> dict[str, str]:
    """The rows of both columns."""
    judges = sorted({judge for _, judge in keys if judge})
    return {"measure": ",".join(measure for measure, _ in keys), "judge": ",".join(judges)}


def _name(key: tuple[str, str], *, several: bool) -> str:
    measure, judge = key
    title = MEASURES[measure].title
    return f"{title} ({judge})" if judge and several else title


def _row(pair: Pair, adjusted: float | None) -> tuple[Cell, ...]:
    first, drill = next(iter(pair.found.values())), pair.drill
    cells = [Cell(pair.first), Cell(pair.second), Cell(first.n, drill=drill)]
    for each in pair.found.values():
        low, high = (each.interval.low, each.interval.high) if each.interval else (None, None)
        cells += [
            Cell(each.value, n=each.n, low=low, high=high, why=each.why, drill=drill),
            Cell(each.p, why=each.why, drill=drill),
        ]
    return (*cells, Cell(adjusted, why=first.why, drill=drill))
