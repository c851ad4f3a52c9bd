"""What the database holds of examples, as plain rows: what reads all of a dataset reads these.

Model instances take ten times as long to make, and hold each other in circles that Python frees
only now and then.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet, Window
from django.db.models.functions import Lead

from curation import ahead
from curation.enums import Origin
from curation.models import Attachment, Draft, Example, FixStep, Revision


class HeldRevision(NamedTuple):
    """A revision."""

    draft_id: int
    pk: int
    number: int
    code: str
    sha256: str
    origin: str


class HeldStep(NamedTuple):
    """A fix step, its category and subcategory by their names."""

    draft_id: int
    order: int
    error_code: str
    error: str
    fix_info: str
    fixed_code: str
    category: str | None
    subcategory: str | None
    kind: str
    located: str
    before_id: int | None
    after_id: int | None
    span_start: int | None
    span_end: int | None


@dataclass(slots=True)
class HeldDraft:
    """A draft with its revisions and its steps, both in their order."""

    example_id: int
    pk: int
    original_id: int | None
    status: str
    model: str
    approval_reason: str
    revisions: list[HeldRevision] = field(default_factory=list)
    steps: list[HeldStep] = field(default_factory=list)


@dataclass(slots=True)
class HeldExample:
    """An example with its drafts and the names of its data files."""

    pk: int
    example_id: str
    pytorch_code: str
    title: str
    difficulty: str
    source: str
    licence: str
    contract: Any
    attachments: list[str] = field(default_factory=list)
    drafts: list[HeldDraft] = field(default_factory=list)


_EXAMPLE = (
    *("pk", "example_id", "pytorch_code", "title", "difficulty", "source", "licence"),
    "contract",
)
_DRAFT = ("example_id", "pk", "original_id", "status", "model", "approval_reason")
_REVISION = ("draft_id", "pk", "number", "code", "sha256", "origin")
_STEP = (
    *("draft_id", "order", "error_code", "error", "fix_info", "fixed_code", "category__name"),
    *("subcategory__name", "kind", "located", "before_id", "after_id", "span_start", "span_end"),
)


def read(
    examples: QuerySet[Example], chunk: int, *, ends: bool = False
) -> Iterator[list[HeldExample]]:
    """Examples with all that belongs to them, `chunk` at a time.

    With `ends`, of the revisions only those are read that can be a program of their own: the first,
    the newest and what a file called the fixed one.
    """
    for rows, answers in ahead.read(examples.values_list(*_EXAMPLE), _questions(ends), chunk):
        yield _filled([HeldExample(*row) for row in rows], answers)
        del rows, answers  # or they are held while the next ones are read


def _filled(examples: list[HeldExample], answers: list[list[ahead.Row]]) -> list[HeldExample]:
    attachments, drafts, revisions, steps = answers
    example_of = {example.pk: example for example in examples}
    for pk, name in attachments:
        example_of[pk].attachments.append(name)
    draft_of = {row[1]: HeldDraft(*row) for row in drafts}
    # Drafts that were made between the questions are not known. `_make` is slower than all else
    # that is done with a row.
    for pk, own in groupby(revisions, itemgetter(0)):
        if pk in draft_of:
            draft_of[pk].revisions = [tuple.__new__(HeldRevision, row) for row in own]
    for pk, own in groupby(steps, itemgetter(0)):
        if pk in draft_of:
            draft_of[pk].steps = [tuple.__new__(HeldStep, row) for row in own]
    for draft in draft_of.values():
        if draft.revisions:  # else it was deleted between the questions
            example_of[draft.example_id].drafts.append(draft)
    return examples


@cache
def _questions(ends: bool) -> list[ahead.Question]:
    """What is asked of each chunk."""
    mine = ahead.among()
    revisions = Revision.objects.filter(draft__example__in=mine)
    if ends:
        following = Window(Lead("number"), partition_by="draft_id", order_by="number")
        known = Q(number=0) | Q(following=None) | Q(origin=Origin.FINAL)
        revisions = revisions.alias(following=following).filter(known)
    asked: list[QuerySet[Any, Any]] = [
        Attachment.objects.filter(example__in=mine)
        .order_by("example_id", "name")
        .values_list("example_id", "name"),
        Draft.objects.filter(example__in=mine).order_by("example_id", "id").values_list(*_DRAFT),
        revisions.order_by("draft_id", "number").values_list(*_REVISION),
        FixStep.objects.filter(draft__example__in=mine)
        .order_by("draft_id", "order")
        .values_list(*_STEP),
    ]
    return [ahead.question(found) for found in asked]


def held(example: Example) -> HeldExample:
    """One example; no queries after prefetching `records.RECORD_PARTS`."""
    found = HeldExample(*(getattr(example, name) for name in _EXAMPLE))
    found.attachments = [item.name for item in example.attachments.all()]
    found.drafts = [held_draft(draft) for draft in example.drafts.all()]
    return found


def held_draft(draft: Draft) -> HeldDraft:
    """One draft; no queries after prefetching its revisions and its steps with their categories."""
    revisions = [
        HeldRevision._make(getattr(revision, name) for name in _REVISION)
        for revision in draft.revisions.all()
    ]
    found = HeldDraft(*(getattr(draft, name) for name in _DRAFT))
    found.revisions = sorted(revisions, key=lambda revision: revision.number)
    found.steps = sorted((_held_step(each) for each in draft.steps.all()), key=lambda s: s.order)
    return found


def _held_step(step: FixStep) -> HeldStep:
    names = {
        "category__name": step.category.name if step.category else None,
        "subcategory__name": step.subcategory.name if step.subcategory else None,
    }
    return HeldStep._make(names[name] if name in names else getattr(step, name) for name in _STEP)
