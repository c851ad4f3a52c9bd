"""What dashboards read: counts of one dataset that are kept ready, narrowed by the page's query."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

from django.contrib.auth.models import User
from django.db.models import F, QuerySet, Sum

from curation.enums import Difficulty
from curation.models import Category, Dataset
from scoring.agreement import Report, agreement_of
from scoring.dashboards.published import Row, Source
from scoring.models import Plan, Published, Tally

BREAKDOWNS = {
    "difficulty": "Difficulty",
    "model": "Model",
    "month": "Month",
    "dataset": "Dataset",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the address narrows dashboards to; empty means all. Unknown values are as empty."""

    difficulty: str = ""
    model: str = ""
    by: str = "difficulty"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Chosen":
        difficulty, by = query.get("difficulty", ""), query.get("by", "")
        return cls(
            difficulty=difficulty if difficulty in Difficulty.values else "",
            model=query.get("model", "").replace("\0", "")[:200],
            by=by if by in BREAKDOWNS else "difficulty",
        )

    @property
    def narrowing(self) -> dict[str, str]:
        """Those that are set, as the address has them."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value and name != "by"}


class Data:
    """The numbers of one dataset; each part is read once, in one query."""

    def __init__(self, dataset: Dataset, chosen: Chosen, beside: Iterable[Dataset] = ()) -> None:
        self.dataset = dataset
        self.chosen = chosen
        self._counted: dict[tuple[str, tuple[int, ...]], Counter[tuple[str, ...]]] = {}
        # Further datasets that may be laid beside this one.
        self.beside = {each.pk: each for each in (dataset, *beside)}

    def counts(self, measure: str, *keys: int) -> Counter[tuple[str, ...]]:
        """How many rows have each combination of these keys (by position)."""
        known = self._counted.get((measure, keys))
        if known is not None:
            return known
        found: Counter[tuple[str, ...]] = Counter()
        names = [f"keys__{key}" for key in keys]
        for *values, number in (
            self._narrowed(measure).values_list(*names).annotate(total=Sum("number"))
        ):
            found[tuple(values)] += number
        self._counted[measure, keys] = found
        return found

    def sums(self, measure: str, *keys: int) -> dict[tuple[str, ...], tuple[int, int]]:
        """As `counts`, with the seconds that were spent."""
        names = [f"keys__{key}" for key in keys]
        rows = self._narrowed(measure).values_list(*names)
        return {
            tuple(values): (number, seconds)
            for *values, number, seconds in rows.annotate(total=Sum("number"), spent=Sum("seconds"))
        }

    def steps_by(self, by: str) -> Counter[tuple[str, str]]:
        """Steps by category and another thing; a dataset goes by its slug."""
        column = {"difficulty": F("difficulty"), "model": F("model"), "month": F("keys__3")}.get(
            by, F("dataset__slug")
        )
        rows = self._narrowed("step", every=by == "dataset")
        found: Counter[tuple[str, str]] = Counter()
        for category, value, number in rows.values_list("keys__0").annotate(
            value=column, total=Sum("number")
        ):
            found[category, value] += number
        return found

    def facets(self) -> tuple[Counter[str], Counter[str]]:
        """Drafts by difficulty and by model, whatever is chosen."""
        difficulties: Counter[str] = Counter()
        models: Counter[str] = Counter()
        rows = Tally.objects.filter(dataset=self.dataset, measure="draft")
        grouped = rows.values_list("difficulty", "model").annotate(total=Sum("number"))
        # In the order of their names, so that equal counts always stand alike.
        for difficulty, model, number in grouped.order_by("model", "difficulty"):
            difficulties[difficulty] += number
            models[model] += number
        return difficulties, models

    def _narrowed(self, measure: str, *, every: bool = False) -> QuerySet[Tally]:
        datasets = list(self.beside) if every else [self.dataset.pk]
        rows = Tally.objects.filter(dataset__in=datasets, measure=measure)
        return rows.filter(**self.chosen.narrowing).order_by()

    @cached_property
    def categories(self) -> list[Category]:
        """The taxonomy in its order, subcategories fetched along."""
        return list(Category.objects.prefetch_related("subcategories"))

    @cached_property
    def agreement(self) -> Report:
        return agreement_of(self.dataset)

    @cached_property
    def plan(self) -> Plan:
        return Plan.objects.filter(dataset=self.dataset).first() or Plan(dataset=self.dataset)

    @cached_property
    def published(self) -> dict[str, tuple[Source, list[Row]]]:
        """What others report, by dashboard."""
        return {
            each.board: (Source(each.name, each.source), [Row.from_json(row) for row in each.rows])
            for each in Published.objects.filter(dataset=self.dataset)
        }

    def people(self, ids: Iterable[str]) -> dict[str, str]:
        """What each person is called: by name only where a lead turned that on."""
        numbers = sorted(int(pk) for pk in ids if pk)
        if self.plan.names_shown:
            names = dict(User.objects.filter(pk__in=numbers).values_list("pk", "username"))
            return {str(pk): names.get(pk, "someone who left") for pk in numbers}
        return {str(pk): f"Annotator {at}" for at, pk in enumerate(numbers, start=1)}
