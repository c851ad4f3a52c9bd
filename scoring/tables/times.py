"""Tables 4 and 9: run times and speed-ups, by setting and by example."""

import math
from collections.abc import Iterable

from scoring.models import Score
from scoring.tables.base import Cell, Column, Table
from scoring.tables.data import Data

PAPER = (
    "Reference: the paper (arXiv 2510.09898, abstract) reports code that runs up to 2.5 times "
    "faster than the baseline's."
)
EMPTY = "no translation that matches was timed"


def table_4(data: Data) -> Table:
    """A row per setting: mean seconds, and speed-up against reference and baseline."""
    seconds, references = _by_example(data, "seconds"), _by_example(data, "reference_seconds")
    base = seconds.get(data.baseline, {})
    rows = []
    for setting in data.settings:
        own, theirs = seconds.get(setting.name, {}), references.get(setting.name, {})
        drill = {"setting": setting.name, "measure": "seconds"}
        against_base = [base[key] / own[key] for key in own if key in base and own[key]]
        rows.append(
            (
                Cell(setting.name, drill=drill),
                Cell(len(own), drill=drill),
                _mean(own.values(), drill),
                _mean(theirs.values(), drill | {"measure": "reference_seconds"}),
                _geometric(
                    [theirs[key] / own[key] for key in own if own[key]],
                    drill | {"measure": "speedup"},
                ),
                _geometric(against_base, drill),
            )
        )
    columns = (
        Column("setting", "Setting"),
        Column("timed", "Timed"),
        Column("seconds", "Seconds", 3),
        Column("reference_seconds", "Seconds of the reference", 3),
        Column("speedup", "Speed-up against the reference"),
        Column("speedup_baseline", f"Speed-up against {data.baseline or 'the baseline'}"),
    )
    return Table(
        "4",
        "Table 4",
        "Run times of translations that match.",
        columns,
        tuple(rows),
        (*_sources(data), _HOW, PAPER),
    )


def table_9(data: Data) -> Table:
    """A row per example: seconds of the reference and of each setting's translation."""
    seconds, references = _by_example(data, "seconds"), _by_example(data, "reference_seconds")
    columns = [Column("example", "Example"), Column("reference", "Reference, s", 3)]
    for setting in data.settings:
        columns += [
            Column(setting.name, f"{setting.name}, s", 3),
            Column(f"{setting.name}_speedup", "Speed-up"),
        ]
    examples = dict.fromkeys((place.example, place.sample) for place in data.places.values())
    rows = []
    for key in examples:
        known = [found[key] for found in references.values() if key in found]
        reference = {"measure": "reference_seconds", "example": key[0]}
        cells = [Cell(_label(key), drill={"example": key[0]}), _mean(known, reference)]
        for setting in data.settings:
            own = seconds.get(setting.name, {}).get(key)
            theirs = references.get(setting.name, {}).get(key)
            drill = {"setting": setting.name, "measure": "seconds", "example": key[0]}
            speedup = theirs / own if own and theirs else None
            cells += [
                Cell(own, why="" if own else EMPTY, drill=drill),
                Cell(speedup, why="" if speedup else EMPTY, drill=drill),
            ]
        rows.append(tuple(cells))
    return Table(
        "9",
        "Table 9",
        "Run times by example.",
        tuple(columns),
        tuple(rows),
        _sources(data),
    )


_HOW = "Speed-ups are geometric means over the examples that both sides have."


def _label(key: tuple[str, int]) -> str:
    example, sample = key
    return example if not sample else f"{example} ({sample + 1})"


def _by_example(data: Data, measure: str) -> dict[str, dict[tuple[str, int], float]]:
    """Setting -> (example, sample) -> value."""
    means = data.means([measure]).get((measure, ""), {})
    found: dict[str, dict[tuple[str, int], float]] = {}
    for pk, place in data.places.items():
        if pk in means:
            found.setdefault(place.setting, {})[place.example, place.sample] = means[pk]
    return found


def _sources(data: Data) -> tuple[str, ...]:
    """How the times that count were measured."""
    rows = Score.objects.filter(
        setting__experiment=data.experiment, measure="seconds", value__isnull=False
    )
    sources = sorted(set(rows.order_by().values_list("detail__source", flat=True)) - {None})
    return tuple(f"Measured: {source}." for source in sources)


def _mean(values: Iterable[float], drill: dict[str, str]) -> Cell:
    known = list(values)
    if not known:
        return Cell(None, n=0, why=EMPTY, drill=drill)
    return Cell(math.fsum(known) / len(known), n=len(known), drill=drill)


def _geometric(ratios: list[float], drill: dict[str, str]) -> Cell:
    if not ratios:
        return Cell(None, n=0, why=EMPTY, drill=drill)
    value = math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))
    return Cell(value, n=len(ratios), drill=drill)
