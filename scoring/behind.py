"""The rows behind a number of a dashboard, found by what the number's link says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Q, QuerySet, Subquery

from curation.models import Dataset, Draft, FixStep
from executor.models import Verdict
from executor.parity.outcome import Kind
from scoring.dashboards.categories import NONE
from scoring.models import DraftFact

_UTC = ZoneInfo("UTC")
# What the queue can be narrowed to by the same names.
QUEUE_KEYS = ("status", "difficulty", "outcome", "kind", "reason")
_FACTS = (
    *("status", "outcome", "stage", "kind", "reason", "freshness", "judged_in"),
    *("difficulty", "model"),
)
_NUMBERS = ("steps", "passed_after", "stuck_at")
DRAFT_KEYS = (*_FACTS, *_NUMBERS, "executed", "taken")
STEP_KEYS = ("category", "subcategory", "kind", "month", "week", "met", "difficulty", "model")


class BadFilter(ValueError):
    """A value in the address that nothing can be looked for with; the text says which."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Which rows are asked for: drafts or steps, and what each must be."""

    of: str
    keys: Mapping[str, str]

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Behind":
        of = "steps" if query.get("of") == "steps" else "drafts"
        known = STEP_KEYS if of == "steps" else DRAFT_KEYS
        found = {name: query.get(name, "").replace("\0", "")[:200] for name in known}
        return cls(of, {name: value for name, value in found.items() if value})

    @property
    def queue_query(self) -> Mapping[str, str]:
        """The same in the queue, empty where the queue cannot say it."""
        can = self.of == "drafts" and self.keys and set(self.keys) <= set(QUEUE_KEYS)
        return self.keys if can else {}


def drafts_behind(dataset: Dataset, keys: Mapping[str, str]) -> QuerySet[Draft]:
    """Drafts as they were last counted.

    Raises:
        BadFilter: a number is none.
    """
    facts = DraftFact.objects.filter(dataset=dataset)
    for name in _FACTS:
        if name in keys:
            # "none" is a value of its own where a draft was not run.
            own = name in ("outcome", "freshness")
            value = "" if keys[name] == NONE and not own else keys[name]
            facts = facts.filter(**{name: value})
    if "executed" in keys:
        facts = facts.filter(executed=True)
    if "taken" in keys:
        facts = facts.filter(Q(steps__gt=0) | ~Q(status="draft"))
    if "steps" in keys:
        facts = facts.filter(steps=_number(keys, "steps"))
    if "passed_after" in keys:
        facts = facts.filter(executed=True, passed_after=_number(keys, "passed_after"))
    if "stuck_at" in keys:
        stuck = _number(keys, "stuck_at")
        facts = facts.filter(executed=True, passed_after=None, steps=stuck)
    return (
        Draft.objects.filter(pk__in=facts.values("draft"))
        .select_related("example")
        .defer("raw_answer", "example__pytorch_code")
        .order_by("pk")
    )


def steps_behind(dataset: Dataset, keys: Mapping[str, str]) -> QuerySet[FixStep]:
    """Fix steps of drafts that are counted.

    Raises:
        BadFilter: a month or a week is none.
    """
    steps = FixStep.objects.filter(draft__example__dataset=dataset, draft__original=None)
    plain = {
        "category": "category__slug",
        "subcategory": "subcategory__slug",
        "kind": "kind",
        "difficulty": "draft__example__difficulty",
        "model": "draft__model",
    }
    for name, column in plain.items():
        if name in keys:
            steps = steps.filter(_is(column, keys[name]))
    for name, span in (("month", _month), ("week", _week)):
        if name in keys:
            begin, end = span(keys[name])
            steps = steps.filter(created_at__gte=begin, created_at__lt=end)
    if "met" in keys:
        steps = _met(steps, keys["met"])
    return steps.select_related("draft__example", "category", "subcategory").order_by("pk")


def _is(column: str, value: str) -> Q:
    """A related record's slug, or a text that may be empty."""
    if value != NONE:
        return Q(**{column: value})
    return Q(**{f"{column}__isnull": True}) | Q(**{column: ""})


def _met(steps: QuerySet[FixStep], kind: str) -> QuerySet[FixStep]:
    """Steps by the newest verdict on the program that they mend."""
    verdicts = Verdict.objects.filter(
        run__example=OuterRef("draft__example"), run__code_hash=OuterRef("before__sha256")
    ).order_by("-run")
    if kind in set(Kind):
        return steps.annotate(met=Subquery(verdicts.values("kind")[:1])).filter(met=kind)
    steps = steps.annotate(met=Subquery(verdicts.values("outcome")[:1]))
    return steps.filter(met=None) if kind == NONE else steps.filter(met=kind)


def _number(keys: Mapping[str, str], name: str) -> int:
    if not keys[name].isascii() or not keys[name].isdigit() or len(keys[name]) > 9:
        raise BadFilter(f"“{keys[name]}” is no number of steps.")
    return int(keys[name])


def _month(text: str) -> tuple[Any, Any]:
    try:
        begin = datetime.strptime(text, "%Y-%m").replace(tzinfo=_UTC)
        return begin, (begin + timedelta(days=32)).replace(day=1)
    except (ValueError, OverflowError):
        raise BadFilter(f"“{text}” is no month: write it as 2026-01.") from None


def _week(text: str) -> tuple[Any, Any]:
    try:
        begin = datetime.combine(date.fromisoformat(text), datetime.min.time(), _UTC)
        return begin, begin + timedelta(weeks=1)
    except (ValueError, OverflowError):
        raise BadFilter(f"“{text}” is no day: write it as 2026-01-05.") from None
