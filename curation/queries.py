"""Questions about datasets, examples and drafts that pages and commands ask."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from curation.enums import DraftStatus
from curation.models import (
    AuditEvent,
    Category,
    Dataset,
    Draft,
    DraftCount,
    Example,
    FixStep,
    Revision,
)


@dataclass(frozen=True, slots=True)
class FunnelPart:
    """How many drafts have one status, and where that part of the bar starts."""

    status: str
    label: str
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """A dataset's drafts by status, the finished ones first."""

    parts: tuple[FunnelPart, ...]
    total: int


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One dataset with its counts."""

    dataset: Dataset
    examples: int
    steps: int
    funnel: Funnel


def funnel_of(counts: Mapping[str, int]) -> Funnel:
    """The bar for drafts counted by status."""
    parts, start = [], 0
    for status in reversed(DraftStatus):
        count = counts.get(status, 0)
        parts.append(FunnelPart(status.value, status.label, count, start))
        start += count
    return Funnel(tuple(parts), start)


@dataclass(frozen=True, slots=True)
class Sort:
    """Drafts that are alike, with how many of them a dataset has."""

    difficulty: str
    status: str
    judged: str
    blind: bool
    repeated: bool
    number: int


@dataclass(frozen=True, slots=True)
class Counts:
    """A dataset's drafts by sort, and how many of its examples have none."""

    sorts: tuple[Sort, ...]
    without_draft: int

    @property
    def funnel(self) -> Funnel:
        """Of the drafts themselves, without further repairs of the same ones."""
        counts: Counter[str] = Counter()
        for sort in self.sorts:
            counts[sort.status] += 0 if sort.repeated else sort.number
        return funnel_of(counts)


def counts_of(dataset: Dataset) -> Counts:
    """As the database counts with every write, in one query."""
    names = ("difficulty", "status", "judged", "blind", "repeated")
    counted = DraftCount.objects.filter(dataset=dataset).values_list(*names)
    found = [Sort(*row) for row in counted.annotate(sum=Sum("number")).exclude(sum=0)]
    return Counts(
        sorts=tuple(sort for sort in found if sort.status),
        without_draft=sum(sort.number for sort in found if not sort.status),
    )


def draft_counts(datasets: Iterable[Dataset]) -> dict[int, Funnel]:
    """Funnels by dataset id, in one query."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    ids = [dataset.pk for dataset in datasets]
    counted = DraftCount.objects.filter(dataset__in=ids, repeated=False)
    rows = counted.values_list("dataset", "status").annotate(sum=Sum("number"))
    for dataset, status, number in rows:
        counts[dataset][status] = number
    return {pk: funnel_of(counts[pk]) for pk in ids}


def dataset_rows(datasets: QuerySet[Dataset]) -> list[DatasetRow]:
    """These datasets with their counts, in three queries."""
    found = list(datasets.annotate(example_count=Count("examples")).order_by("title"))
    funnels = draft_counts(found)
    steps = dict(
        FixStep.objects.filter(draft__example__dataset__in=found, draft__original=None)
        .order_by()
        .values_list("draft__example__dataset")
        .annotate(number=Count("pk"))
    )
    return [
        DatasetRow(each, each.example_count, steps.get(each.pk, 0), funnels[each.pk])
        for each in found
    ]


def examples_without_draft(dataset: Dataset) -> QuerySet[Example]:
    drafts = Draft.objects.filter(example=OuterRef("pk"))
    return dataset.examples.filter(~Exists(drafts))


def history_of(draft: Draft) -> QuerySet[AuditEvent]:
    """Everything that was done to a draft, its steps and its example, the newest first."""
    of_example = Q(target_type="example", target_id=str(draft.example_id))
    events = AuditEvent.objects.filter(Q(draft_pk=draft.pk) | of_example)
    return events.select_related("actor", "dataset").order_by("-id")


def categories() -> QuerySet[Category]:
    """The taxonomy, subcategories fetched along."""
    return Category.objects.prefetch_related("subcategories")


def drafts_with_counts() -> QuerySet[Draft]:
    """Drafts with what the API says about them."""
    newest = Revision.objects.filter(draft=OuterRef("pk")).order_by("-number")
    steps = FixStep.objects.filter(draft=OuterRef("pk")).order_by().values("draft")
    return Draft.objects.select_related("example__dataset", "created_by", "assignee").annotate(
        head_number=Subquery(newest.values("number")[:1]),
        step_count=Coalesce(Subquery(steps.annotate(n=Count("pk")).values("n")), 0),
    )
