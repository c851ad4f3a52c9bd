"""Does a setting differ from the baseline on the same examples?"""

from scoring.metrics import MEASURES
from scoring.statistics.corrections import holm
from scoring.statistics.paired import Comparison, compare
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Data
from scoring.tables.quality import JUDGED

TESTED = ("codebleu", *JUDGED, "matches", "fixcost")


def differences_table(data: Data) -> Table:
    """A row per setting and measure: the mean difference and three paired tests."""
    found = list(_compared(data))
    permutation = [comparison.tests[2].p for _, _, _, comparison in found]
    correction = holm(permutation)
    rows = tuple(
        _row(*row, adjusted, baseline=data.baseline)
        for row, adjusted in zip(found, correction.adjusted, strict=True)
    )
    columns = (
        Column("setting", "Setting"),
        Column("measure", "Measure"),
        Column("judge", "Judge"),
        Column("n", "n"),
        Column("difference", f"Minus {data.baseline or 'the baseline'}", 3, interval=True),
        Column("wilcoxon_p", "p, Wilcoxon", 4, p_value=True),
        Column("sign_p", "p, sign", 4, p_value=True),
        Column("permutation_p", "p, permutation", 4, p_value=True),
        Column("adjusted_p", "p, permutation, adjusted", 4, p_value=True),
    )
    return Table(
        "differences",
        "Differences",
        "Settings against the baseline, paired by example and sample.",
        columns,
        rows,
        (f"Adjusted: {correction} (permutation).",),
    )


def _compared(data: Data) -> list[tuple[str, str, str, Comparison]]:
    means = data.means(list(TESTED))
    ids = {(p.setting, p.example, p.sample): pk for pk, p in data.places.items()}
    base = [(place.example, place.sample) for place in data.places.values()]
    spots = list(dict.fromkeys(base))
    found = []
    for setting in data.settings:
        if setting.name == data.baseline:
            continue
        for key in sorted(means, key=lambda key: (TESTED.index(key[0]), key[1])):
            columns = [
                [means[key].get(ids.get((name, *spot), -1)) for spot in spots]
                for name in (data.baseline, setting.name)
            ]
            found.append((setting.name, *key, compare(*columns)))
    return found


def _row(
    setting: str,
    measure: str,
    judge: str,
    found: Comparison,
    adjusted: float | None,
    *,
    baseline: str,
) -> tuple[Cell, ...]:
    low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
    drill = {"setting": f"{baseline},{setting}", "measure": measure, "judge": judge}
    why = "" if found.n else "no example has a value under both"
    return (
        Cell(setting),
        Cell(MEASURES[measure].title),
        Cell(judge),
        Cell(found.n, drill=drill),
        Cell(found.difference, n=found.n, low=low, high=high, why=why, drill=drill),
        *(Cell(test.p, why=test.why, drill=drill) for test in found.tests),
        Cell(adjusted, why=found.tests[2].why, drill=drill),
    )
