"""Agreement of independent repairs: which categories they found, and in how many steps.

A unit is one draft and one category of the taxonomy; a rater's value says whether a step of the
repair has that category (1) or none does (0). Categories that nobody used are no units.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from curation.models import Dataset, Draft
from scoring.statistics.agreement import (
    Agreement,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
)


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair: whose, when it was submitted (month), its categories, how many steps."""

    rater: str
    month: str
    categories: frozenset[str]
    steps: int


@dataclass(frozen=True, slots=True)
class Row:
    """A coefficient, and over what it was taken."""

    of: str
    category: Agreement
    steps: Agreement


@dataclass(frozen=True, slots=True)
class Report:
    drafts: int
    repairs: int
    fleiss: Agreement
    whole: Row
    pairs: tuple[Row, ...]
    months: tuple[Row, ...]


def agreement_of(dataset: Dataset, *, named: bool = True) -> Report:
    """Coefficients over the drafts with two repairs or more, in two queries.

    Unless `named`, raters are numbered.
    """
    drafts = repairs_of(dataset) if named else _numbered(repairs_of(dataset))
    raters = sorted({repair.rater for repairs in drafts for repair in repairs})
    months = sorted({repair.month for repairs in drafts for repair in repairs})
    table, per_draft = _category_units(drafts), min((len(each) for each in drafts), default=0)
    return Report(
        drafts=len(drafts),
        repairs=sum(map(len, drafts)),
        fleiss=fleiss_kappa([_votes(unit[:per_draft]) for unit in table]),
        whole=_row("all raters", drafts),
        pairs=tuple(_pair(first, second, drafts) for first, second in combinations(raters, 2)),
        months=tuple(
            _row(month, [each for each in drafts if each[-1].month == month]) for month in months
        ),
    )


def repairs_of(dataset: Dataset) -> list[list[Repair]]:
    """The repairs of each draft that has at least two which are no longer blind."""
    rows = (
        Draft.objects.filter(
            example__dataset=dataset, original__isnull=False, blind=False, assignee__isnull=False
        )
        .select_related("assignee")
        .prefetch_related("steps__category")
        .order_by("original", "pk")
    )
    found: dict[int, list[Repair]] = defaultdict(list)
    for draft in rows:
        steps = list(draft.steps.all())
        assert draft.original_id is not None and draft.assignee is not None
        found[draft.original_id].append(
            Repair(
                rater=draft.assignee.username,
                month=f"{draft.submitted_at or draft.created_at:%Y-%m}",
                categories=frozenset(step.category.slug for step in steps if step.category),
                steps=len(steps),
            )
        )
    return [repairs for repairs in found.values() if len(repairs) > 1]


def _numbered(drafts: list[list[Repair]]) -> list[list[Repair]]:
    raters = sorted({repair.rater for repairs in drafts for repair in repairs})
    called = {rater: f"annotator {at}" for at, rater in enumerate(raters, start=1)}
    return [[replace(each, rater=called[each.rater]) for each in repairs] for repairs in drafts]


def _category_units(drafts: Sequence[Sequence[Repair]]) -> list[list[int]]:
    """A row per draft and used category: each repair's 0 or 1."""
    used = sorted({slug for repairs in drafts for repair in repairs for slug in repair.categories})
    return [
        [int(slug in repair.categories) for repair in repairs]
        for repairs in drafts
        for slug in used
    ]


def _votes(unit: Sequence[int]) -> list[int]:
    return [unit.count(0), unit.count(1)]


def _row(of: str, drafts: Sequence[Sequence[Repair]]) -> Row:
    counts = [[repair.steps for repair in repairs] for repairs in drafts]
    return Row(
        of,
        krippendorff_alpha(_category_units(drafts)),
        krippendorff_alpha(counts, "interval"),
    )


def _pair(first: str, second: str, drafts: Sequence[Sequence[Repair]]) -> Row:
    """Cohen's kappa of two raters on categories, and their alpha on the number of steps."""
    both: list[list[Repair]] = []
    for repairs in drafts:
        by: Mapping[str, Repair] = {repair.rater: repair for repair in repairs}
        if first in by and second in by:
            both.append([by[first], by[second]])
    units = _category_units(both)
    kappa = cohen_kappa([unit[0] for unit in units], [unit[1] for unit in units])
    return Row(f"{first} and {second}", kappa, _row("", both).steps)
