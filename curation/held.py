"""What the database holds of examples, as plain rows: what reads all of a dataset reads these.

Model instances take ten times as long to make, and hold each other in circles that Python frees
only now and then.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from django.db.models import Q, QuerySet, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lead

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


# Chunks that the database looks for while one is used: with one, it waits as often as Python does.
AHEAD = 4


def read(
    examples: QuerySet[Example], chunk: int, *, ends: bool = False
) -> Iterator[list[HeldExample]]:
    """Examples with all that belongs to them, `chunk` at a time.

    The database looks for the next ones while these are used. With `ends`, of the revisions only
    those are read that can be a program of their own: the first, the newest and what a file called
    the fixed one.
    """
    rows = examples.values_list(*_EXAMPLE).iterator(chunk_size=chunk)
    with _asking() as (ask, ahead):
        waiting: list[tuple[list[HeldExample], list[Answer]]] = []
        while found := [HeldExample(*row) for row in islice(rows, chunk)]:
            ids = [example.pk for example in found]
            waiting.append((found, [ask(question, ids) for question in _questions(ends)]))
            if len(waiting) > ahead:
                yield _filled(*waiting.pop(0))
            del found  # or its rows are held while the next ones are read
        while waiting:
            yield _filled(*waiting.pop(0))


def _filled(examples: list[HeldExample], answers: list["Answer"]) -> list[HeldExample]:
    attachments, drafts, revisions, steps = (answer() for answer in answers)
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


# SQL and its parameters, among them an empty list in the place of the examples' ids.
Question = tuple[str, tuple[Any, ...]]


@cache
def _questions(ends: bool) -> list[Question]:
    """What is asked of each chunk."""
    mine = among(())
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
    return [found.query.sql_with_params() for found in asked]


# Gives the rows of a question, which may still be looked for.
Answer = Callable[[], list[tuple[Any, ...]]]
Ask = Callable[[Question, list[int]], Answer]


@contextmanager
def _asking() -> Iterator[tuple[Ask, int]]:
    """Asks questions that the database answers while Python does something else, so many ahead.

    They go over a connection of their own, in one transaction that reads. Within a transaction,
    which that would not see, and where no further connection can be had, they are answered at once.
    """
    own = None if connection.in_atomic_block else _another()
    if own is None:
        yield _asked_at_once, 0
        return
    # Django's errors: those who try again when the database is back wait for these.
    with connection.wrap_database_errors, own, own.pipeline():
        yield lambda question, ids: own.cursor().execute(*_about(question, ids)).fetchall, AHEAD


def _another() -> "psycopg.Connection[tuple[Any, ...]] | None":
    settings = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    try:
        return psycopg.connect(**settings, autocommit=True)
    except psycopg.OperationalError:
        return None


def _asked_at_once(question: Question, ids: list[int]) -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(*_about(question, ids))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return lambda: rows


def _about(question: Question, ids: list[int]) -> tuple[str, list[Any]]:
    sql, parameters = question
    # The driver's own way to write an array takes longer than to find its rows.
    array = f"{{{','.join(map(str, ids))}}}"
    return sql, [array if each == [] else each for each in parameters]


def among(keys: Iterable[int]) -> RawSQL:
    """Some ids as one parameter: a hundred take longer to be sent than the rows to be found."""
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])


def rows_of(found: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """What a `values_list` finds, as the driver gives it: for fields that Django converts not."""
    sql, parameters = found.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


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
