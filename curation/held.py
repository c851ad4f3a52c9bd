"""What the database holds of examples, as plain rows: what reads all of a dataset reads these.

Model instances take ten times as long to make, and hold each other in circles that Python frees
only now and then.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL

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


def read(examples: QuerySet[Example], chunk: int) -> Iterator[list[HeldExample]]:
    """Examples with all that belongs to them, `chunk` at a time."""
    rows = examples.values_list(*_EXAMPLE).iterator(chunk_size=chunk)
    while found := [HeldExample(*row) for row in islice(rows, chunk)]:
        _fill(found)
        yield found
        del found  # or two chunks are held while the next one is read


def _fill(examples: list[HeldExample]) -> None:
    example_of = {example.pk: example for example in examples}
    for pk, name in _of(Attachment, "example", ("example_id", "name"), "name", example_of):
        example_of[pk].attachments.append(name)
    draft_of: dict[int, HeldDraft] = {}
    for row in _of(Draft, "example", _DRAFT, "id", example_of):
        draft = HeldDraft(*row)
        draft_of[draft.pk] = draft
        example_of[draft.example_id].drafts.append(draft)
    for row in _of(Revision, "draft", _REVISION, "number", draft_of):
        draft_of[row[0]].revisions.append(HeldRevision._make(row))
    for row in _of(FixStep, "draft", _STEP, "order", draft_of):
        draft_of[row[0]].steps.append(HeldStep._make(row))


def _of(
    model: type[Model], owner: str, names: tuple[str, ...], order: str, owners: Iterable[int]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_statement(model, owner, names, order), [list(owners)])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


@cache
def _statement(model: type[Model], owner: str, names: tuple[str, ...], order: str) -> str:
    """The query of `_of`, whose one parameter are the owners: it is made once, not per chunk."""
    owned = model._default_manager.filter(**{f"{owner}__in": among(())})
    sql, _ = owned.order_by(f"{owner}_id", order).values_list(*names).query.sql_with_params()
    return str(sql)


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
