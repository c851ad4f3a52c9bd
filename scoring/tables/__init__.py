"""The paper's tables, and those beside them, of one experiment. A new one is a line here."""

from collections.abc import Callable
from dataclasses import replace

from curation.llm.calls import RECORDED
from scoring.models import Experiment
from scoring.tables.base import Table
from scoring.tables.correlations import table_3
from scoring.tables.data import Data
from scoring.tables.differences import differences_table
from scoring.tables.judges import judges_table, reliability_table
from scoring.tables.quality import table_2
from scoring.tables.repair import table_5
from scoring.tables.times import table_4, table_9

TABLES: dict[str, Callable[[Data], Table]] = {
    "2": table_2,
    "3": table_3,
    "4": table_4,
    "5": table_5,
    "9": table_9,
    "differences": differences_table,
    "judges": judges_table,
    "reliability": reliability_table,
}

RECORDED_NOTE = (
    "Answers and marks in this experiment are recorded ones of our own writing: they show how it "
    "works and say nothing about any model. Executions, CodeBLEU and fix steps are real."
)


def build(experiment: Experiment, key: str) -> Table:
    """One table from what is stored now; the same stored scores give the same table."""
    return _made(Data(experiment), TABLES[key])


def build_all(experiment: Experiment) -> list[Table]:
    """Every table, each part of the data read once."""
    data = Data(experiment)
    return [_made(data, make) for make in TABLES.values()]


def _made(data: Data, make: Callable[[Data], Table]) -> Table:
    table = make(data)
    if not any(each.model.base_url.startswith(RECORDED) for each in data.settings):
        return table
    return replace(table, notes=(*table.notes, RECORDED_NOTE))


__all__ = ["TABLES", "Table", "build", "build_all"]
