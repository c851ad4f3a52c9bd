"""FixCost and the category tables as JSON and CSV."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

from curation.models import Dataset
from scoring.csv_cells import safe_cell
from scoring.exporters.base import Export, ExportFile, Tally
from scoring.exporters.options import USUAL, Only, Options
from scoring.queries import CategoryTable, FixCosts, category_table, fixcost

FIXCOST_FIELDS = ("drafts", "total", "mean", "median", "min", "max")


class StatisticsExporter:
    name = "statistics"
    title = "FixCost and categories"
    takes: frozenset[str] = frozenset()
    usual = Only.ALL

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        costs, table = fixcost(dataset), category_table(dataset)
        name = f"{dataset.slug}-statistics"
        tally = Tally(examples=dataset.examples.count(), steps=table.total)
        return Export(
            (
                ExportFile(
                    f"{name}.json",
                    "application/json",
                    partial(_as_json, dataset.slug, costs, table),
                ),
                ExportFile(f"{name}-fixcost.csv", "text/csv", partial(_fixcost_csv, costs)),
                ExportFile(f"{name}-categories.csv", "text/csv", partial(_category_csv, table)),
            ),
            tally,
        )


def statistics_json(slug: str, costs: FixCosts, table: CategoryTable) -> str:
    """The statistics of a dataset as JSON text."""
    found = {"dataset": slug, "fixcost": costs.to_json(), "categories": table.to_json()}
    return json.dumps(found, indent=2, ensure_ascii=False)


def _as_json(slug: str, costs: FixCosts, table: CategoryTable) -> Iterator[bytes]:
    yield f"{statistics_json(slug, costs, table)}\n".encode()


def _fixcost_csv(costs: FixCosts) -> Iterator[bytes]:
    yield _line(("steps", *FIXCOST_FIELDS))
    for name, cost in (("all", costs.all), ("behaviour", costs.behaviour)):
        values = asdict(cost)
        yield _line((name, *(values[field] for field in FIXCOST_FIELDS)))


def _category_csv(table: CategoryTable) -> Iterator[bytes]:
    yield _line(("category", "subcategory", "count", "share"))
    for row in table.rows:
        yield _line((row.name, "", row.count, row.share))
        for sub in row.subcategories:
            yield _line((row.name, sub.name, sub.count, sub.share))


def _line(values: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([safe_cell(value) for value in values])
    return out.getvalue().encode()
