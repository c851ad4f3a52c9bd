"""What the dashboards and exports read: the category table and FixCost of a dataset."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Q

from curation.enums import DraftStatus, StepKind
from curation.models import Category, Dataset, Draft, FixStep
from scoring.statistics import FixCost, Share, fixcost_of, shares_of


@dataclass(frozen=True, slots=True)
class SubcategoryRow:
    """A subcategory's steps; `share` (0 to 1) is of its category's steps."""

    slug: str
    name: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A category's steps; `share` (0 to 1) is of all steps of the dataset.

    Where a category has subcategories, the last of slug "" is for steps without one, if any.
    """

    slug: str
    name: str
    description: str
    count: int
    share: float
    subcategories: tuple[SubcategoryRow, ...]


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """Table 6 (rows) with Tables 7 and 8 (their subcategories): largest first, empty ones too.

    Steps without a category are a last row of slug "", if there are any.
    """

    total: int
    rows: tuple[CategoryRow, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FixCosts:
    """Table 5: FixCost over drafts that were worked on, by all steps and by behaviour alone.

    `untouched` drafts have no step and no verdict yet; what they cost is not known.
    """

    all: FixCost
    behaviour: FixCost
    untouched: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def category_table(dataset: Dataset) -> CategoryTable:
    """Counts and shares of categories and subcategories, in two queries."""
    counted = (
        FixStep.objects.filter(draft__example__dataset=dataset, draft__original=None)
        .order_by()
        .values_list("category_id", "subcategory_id")
        .annotate(count=Count("id"))
    )
    by_both: Counter[tuple[int | None, int | None]] = Counter()
    by_category: Counter[int | None] = Counter()
    for category_id, subcategory_id, count in counted:
        by_both[category_id, subcategory_id] += count
        by_category[category_id] += count
    shares = shares_of(by_category)
    rows = [
        _category_row(category, shares.get(category.pk, Share(0, 0.0)), by_both)
        for category in Category.objects.prefetch_related("subcategories")
    ]
    rows.sort(key=lambda row: -row.count)
    if None in shares:
        none = shares[None]
        rows.append(CategoryRow("", "No category", "", none.count, none.share, ()))
    return CategoryTable(total=sum(by_category.values()), rows=tuple(rows))


def _category_row(
    category: Category, own: Share, counts: Counter[tuple[int | None, int | None]]
) -> CategoryRow:
    subs = {sub: counts[category.pk, sub.pk] for sub in category.subcategories.all()}
    without = counts[category.pk, None]
    shares = shares_of({**{sub.slug: count for sub, count in subs.items()}, "": without})
    rows = [
        SubcategoryRow(sub.slug, sub.name, shares[sub.slug].count, shares[sub.slug].share)
        for sub in subs
    ]
    rows.sort(key=lambda row: -row.count)
    if without and subs:
        rows.append(SubcategoryRow("", "No subcategory", without, shares[""].share))
    return CategoryRow(
        category.slug, category.name, category.description, own.count, own.share, tuple(rows)
    )


def fixcost(dataset: Dataset) -> FixCosts:
    """FixCost of the dataset's drafts, in one query."""
    behaviour = Count("steps", filter=Q(steps__kind=StepKind.BEHAVIOUR))
    drafts = (
        Draft.objects.filter(example__dataset=dataset, original=None)
        .order_by()
        .annotate(all_steps=Count("steps"), behaviour_steps=behaviour)
        .values_list("status", "all_steps", "behaviour_steps")
    )
    rows = list(drafts)
    touched = [row for row in rows if row[1] or row[0] != DraftStatus.DRAFT]
    return FixCosts(
        all=fixcost_of([row[1] for row in touched]),
        behaviour=fixcost_of([row[2] for row in touched]),
        untouched=len(rows) - len(touched),
    )
