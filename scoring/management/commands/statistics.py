"""./t2j manage statistics SLUG"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.models import Dataset
from scoring.exporters.statistics import statistics_json
from scoring.queries import CategoryTable, FixCosts, category_table, fixcost
from scoring.statistics import FixCost


class Command(BaseCommand):
    help = "Print FixCost and the categories of a dataset's fix steps."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:
        dataset = find_dataset(options["slug"])
        costs, table = fixcost(dataset), category_table(dataset)
        if options["json"]:
            self.stdout.write(statistics_json(dataset.slug, costs, table))
            return
        for line in [*_fixcost_lines(costs), "", *_category_lines(table)]:
            self.stdout.write(line)


def find_dataset(slug: str) -> Dataset:
    """The dataset named on the command line.

    Raises:
        CommandError: there is none; the message lists those there are.
    """
    dataset = Dataset.objects.filter(slug=slug).first()
    if dataset is None:
        slugs = ", ".join(Dataset.objects.values_list("slug", flat=True)[:20]) or "none yet"
        raise CommandError(f"There is no dataset “{slug}”. Datasets: {slugs}.")
    return dataset


def _fixcost_lines(costs: FixCosts) -> list[str]:
    head = f"{'FixCost':<20}{'drafts':>8}{'total':>8}{'mean':>8}{'median':>8}{'min':>6}{'max':>6}"
    lines = [head, _fixcost_line("all steps", costs.all)]
    lines.append(_fixcost_line("behaviour only", costs.behaviour))
    if costs.untouched:
        lines.append(f"{costs.untouched} drafts without a step or a verdict are not counted.")
    return lines


def _fixcost_line(name: str, cost: FixCost) -> str:
    if cost.mean is None:
        return f"{name:<20}{cost.drafts:>8}{cost.total:>8}"
    return (
        f"{name:<20}{cost.drafts:>8}{cost.total:>8}{cost.mean:>8.2f}{cost.median:>8.1f}"
        f"{cost.min:>6}{cost.max:>6}"
    )


def _category_lines(table: CategoryTable) -> list[str]:
    lines = [f"{'Category':<44}{'steps':>8}{'share':>8}"]
    for row in table.rows:
        lines.append(f"{row.name:<44}{row.count:>8}{row.share:>8.1%}")
        for sub in row.subcategories:
            if sub.count:
                lines.append(f"  {sub.name:<42}{sub.count:>8}{sub.share:>8.1%}")
    lines.append(f"{'All':<44}{table.total:>8}")
    return lines
