"""The dashboards of a dataset. A new one is a module and a line here."""

from scoring.dashboards.base import Board, Entry
from scoring.dashboards.categories import breakdown, table_6, tables_7_and_8
from scoring.dashboards.cost import distribution, survival, table_5
from scoring.dashboards.data import Chosen, Data
from scoring.dashboards.errors import heat_map, rungs
from scoring.dashboards.people import agreement, annotators, throughput
from scoring.dashboards.progress import freshness, funnel, plan
from scoring.dashboards.published import lay_beside

DASHBOARDS: dict[str, Entry] = {
    entry.key: entry
    for entry in (
        Entry("funnel", funnel),
        Entry("plan", plan),
        Entry("categories", table_6),
        Entry("subcategories", tables_7_and_8),
        Entry("breakdown", breakdown),
        Entry("heat-map", heat_map),
        Entry("fixcost", table_5),
        Entry("distribution", distribution),
        Entry("survival", survival),
        Entry("rungs", rungs),
        Entry("freshness", freshness),
        Entry("throughput", throughput),
        Entry("annotators", annotators),
        Entry("agreement", agreement),
    )
}


def board_of(key: str, data: Data) -> Board:
    """The dashboard of this name, with what others published beside it."""
    board = DASHBOARDS[key].make(data)
    published = data.published.get(key)
    return lay_beside(board, *published) if published else board


__all__ = ["DASHBOARDS", "Board", "Chosen", "Data", "Entry", "board_of"]
