"""Storing what files hold: many new records in one transaction, and what changed in old ones."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from django.db import transaction

from curation import transitions
from curation.enums import Difficulty, DraftStatus, Origin, Role, StepKind
from curation.importers.replay import Plan, PlannedStep, plan
from curation.importers.runnable import why_not_runnable
from curation.models import (
    AuditEvent,
    Category,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
    Subcategory,
)
from curation.models.base import sha256
from curation.records import RECORD_PARTS, Record, draft_record, usual_kind
from curation.services.audit import Actor, record
from curation.services.copying import copy_in, new_ids
from curation.services.drafts import add_revision
from curation.signals import head_changed

ADDED, IMPORTED, CHANGED = "example.added", "example.imported", "example.changed"
EXAMPLE_COLUMNS = (
    *("id", "dataset_id", "position", "example_id", "pytorch_code", "title", "difficulty"),
    *("source", "licence", "not_runnable"),
)
DRAFT_COLUMNS = (
    *("id", "example_id", "role", "model", "raw_answer", "approval_reason", "status"),
    "created_by_id",
)
REVISION_COLUMNS = ("id", "draft_id", "number", "code", "sha256", "origin", "created_by_id")
STEP_COLUMNS = (
    *("draft_id", "order", "error_code", "error", "fix_info", "fixed_code"),
    *("category_id", "subcategory_id", "kind", "located", "before_id", "after_id"),
    *("span_start", "span_end", "author_id"),
)
EVENT_COLUMNS = (
    *("actor_id", "action", "dataset_id", "target_type", "target_id", "target", "data"),
)


@dataclass(slots=True)
class Taxonomy:
    """Categories by their name and slug in lower case, also by those of earlier times."""

    categories: dict[str, Category]
    subcategories: dict[tuple[int, str], Subcategory]

    @classmethod
    def load(cls) -> "Taxonomy":
        categories: dict[str, Category] = {}
        # What is in use comes last: it goes before an earlier thing of the same name.
        every = Category.ever.select_related("merged_into").order_by("-retired")
        for category in every:
            now = category.merged_into or category
            categories |= {category.slug: now, category.name.lower(): now}
        subcategories: dict[tuple[int, str], Subcategory] = {}
        subs = Subcategory.ever.select_related("category", "merged_into__category")
        for sub in subs.order_by("-retired"):
            if sub.retired and sub.merged_into is None:
                continue
            owner = sub.category.merged_into_id or sub.category_id
            for word in (sub.slug, sub.name.lower()):
                subcategories[owner, word] = sub.merged_into or sub
        return cls(categories, subcategories)

    def find(self, placed: PlannedStep) -> tuple[Category | None, Subcategory | None]:
        category = self.categories.get(placed.step.category.strip().lower())
        if category is None:
            return None, None
        key = (category.pk, placed.step.subcategory.strip().lower())
        found = self.subcategories.get(key)
        # It may have been merged into one of another category.
        return (found.category, found) if found else (category, None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record with all that is computed from it alone."""

    record: Record
    plan: Plan | None
    not_runnable: str
    fingerprint: str

    @classmethod
    def of(cls, found: Record, fingerprint: str = "") -> "Prepared":
        """`fingerprint` is the record's, where it is known already."""
        planned = plan(found) if found.has_draft else None
        why = why_not_runnable(found.pytorch_code)
        return cls(found, planned, why, fingerprint or found.fingerprint())

    @property
    def size(self) -> int:
        """Characters to store, roughly."""
        codes = self.plan.codes if self.plan else ()
        return len(self.record.pytorch_code) + sum(len(code) for code in codes)

    def said(self, file: str) -> dict[str, Any]:
        """What the audit trail keeps of where it came from."""
        data: dict[str, Any] = {"file": file, "fingerprint": self.fingerprint}
        if self.plan is not None:
            data["draft"] = self.record.draft_fingerprint()
            data["lines"] = {"changed": self.plan.changed, "explained": self.plan.explained}
        return data


@dataclass(slots=True)
class Store:
    """Writes into one dataset on one person's behalf."""

    dataset: Dataset
    by: Actor
    taxonomy: Taxonomy = field(default_factory=Taxonomy.load)

    @transaction.atomic
    def add(self, batch: Sequence[Prepared], file: str) -> dict[str, int]:
        """Store those whose Example_id is free; all of them, or none.

        Returns:
            The ids of the examples that were stored, by Example_id.
        """
        # Another import waits here until this one's records can be seen.
        Dataset.objects.select_for_update(no_key=True).get(pk=self.dataset.pk)
        ids = [item.record.example_id for item in batch]
        taken = set(
            self.dataset.examples.filter(example_id__in=ids).values_list("example_id", flat=True)
        )
        new = [item for item in batch if item.record.example_id not in taken]
        first, pks = self.dataset.examples.count(), new_ids(Example, len(new))
        copy_in(
            Example,
            EXAMPLE_COLUMNS,
            (
                (pk, self.dataset.pk, position, *self._example(item))
                for position, (pk, item) in enumerate(zip(pks, new, strict=True), start=first)
            ),
        )
        pairs = list(zip(new, pks, strict=True))
        # What is asked of no example yet was never run: no stored verdict is looked for.
        self._add_drafts([pair for pair in pairs if pair[0].plan is not None])
        self._tell(pairs, file)
        return {item.record.example_id: pk for item, pk in pairs}

    def _example(self, item: Prepared) -> tuple[str, ...]:
        found = item.record
        return (
            found.example_id,
            found.pytorch_code,
            found.title,
            Difficulty(found.difficulty or Difficulty.UNKNOWN).value,
            found.source or self.dataset.source,
            found.licence or self.dataset.licence,
            item.not_runnable,
        )

    def _tell(self, pairs: Sequence[tuple[Prepared, int]], file: str) -> None:
        """Two events of each new example: that it is there, and what it came from."""
        by = self.by.pk if self.by else None
        copy_in(
            AuditEvent,
            EVENT_COLUMNS,
            (
                (by, action, self.dataset.pk, "example", str(pk), name[:300], json.dumps(data))
                for item, pk in pairs
                for name in (f"{self.dataset}/{item.record.example_id}",)
                for action, data in ((ADDED, {}), (IMPORTED, item.said(file)))
            ),
        )

    def _add_drafts(self, pairs: Sequence[tuple[Prepared, int]]) -> list[int]:
        """Drafts of the examples with these ids, with their revisions and steps."""
        by = self.by.pk if self.by else None
        ids = new_ids(Draft, len(pairs))
        copy_in(
            Draft,
            DRAFT_COLUMNS,
            (
                (
                    *(pk, example, Role.CHEAP.value, item.record.model, item.record.draft_code),
                    *(item.record.approval_reason, _first_status(item).value, by),
                )
                for pk, (item, example) in zip(ids, pairs, strict=True)
            ),
        )
        items = [(item, pk) for (item, _), pk in zip(pairs, ids, strict=True)]
        revisions = iter(new_ids(Revision, sum(len(_plan(item).codes) for item, _ in items)))
        of_draft = {pk: list(islice(revisions, len(_plan(item).codes))) for item, pk in items}
        copy_in(
            Revision,
            REVISION_COLUMNS,
            (
                (pk, draft, number, code, sha256(code), origin.value, by)
                for item, draft in items
                for number, pk, code, origin in _revisions(_plan(item), of_draft[draft])
            ),
        )
        copy_in(
            FixStep,
            STEP_COLUMNS,
            (
                (draft, order, *self._step(placed, of_draft[draft]), by)
                for item, draft in items
                for order, placed in enumerate(_plan(item).steps, start=1)
            ),
        )
        return ids

    def _step(self, placed: PlannedStep, revisions: Sequence[int]) -> tuple[Any, ...]:
        text = placed.step
        category, subcategory = self.taxonomy.find(placed)
        kind = StepKind(text.kind) if text.kind else usual_kind(placed.located)
        return (
            *(text.error_code, text.error, text.fix_info, text.fixed_code),
            category.pk if category else None,
            subcategory.pk if subcategory else None,
            *(kind.value, placed.located.value),
            None if placed.before is None else revisions[placed.before],
            None if placed.after is None else revisions[placed.after],
            *(placed.start, placed.end),
        )

    @transaction.atomic
    def change(self, example: Example, item: Prepared, file: str) -> list[str]:
        """Take over what the record says differently: the old text stays in the history.

        Returns:
            What changed, for a sentence; empty when nothing did.
        """
        example = (
            Example.objects.select_for_update().prefetch_related(*RECORD_PARTS).get(pk=example.pk)
        )
        changed = self._change_example(example, item)
        word = self._change_draft(example, item)
        if changed or word:
            data = item.said(file)
            record(IMPORTED, example, dataset=self.dataset, by=self.by, **data)
        return [*changed, *([word] if word else [])]

    def _change_example(self, example: Example, item: Prepared) -> list[str]:
        new = changed_fields(example, item.record)
        if not new:
            return []
        was = {name: getattr(example, name) for name in new}
        for name, value in new.items():
            setattr(example, name, value)
        example.not_runnable = item.not_runnable
        example.save(update_fields=[*new, "not_runnable"])
        record(CHANGED, example, dataset=self.dataset, by=self.by, was=was, now=new)
        return [WORDS[name] for name in new]

    def _change_draft(self, example: Example, item: Prepared) -> str:
        if not draft_changed(example, item.record):
            return ""
        draft = _goes_on(example, item.record)
        if draft is None:
            beside = len(example.drafts.all())
            (pk,) = self._add_drafts([(item, example.pk)])
            # The same code may have been judged before, in another draft of the example.
            head_changed.send(Draft, drafts=[pk])
            draft = Draft.objects.get(pk=pk)
            record("draft.added", draft, dataset=self.dataset, by=self.by, role=draft.role)
            return "a new draft beside the one there" if beside else "a draft"
        revision = add_revision(draft, item.record.final_code, origin=Origin.FINAL, by=self.by)
        if transitions.can_move(draft, DraftStatus.REPAIRING):
            transitions.move(draft, DraftStatus.REPAIRING)
        record("draft.final", draft, dataset=self.dataset, by=self.by, revision=revision.number)
        return f"LLM_fix_output, as revision {revision.number}"


# Columns of an example that a file may fill, and what files call them.
WORDS = {
    "pytorch_code": "Input_Code",
    "title": "Title",
    "difficulty": "Difficulty",
    "source": "Source",
    "licence": "Licence",
}


def changed_fields(example: Example, found: Record) -> dict[str, str]:
    """What the record says and the example does not; what it leaves out changes nothing."""
    said = {name: getattr(found, name) for name in WORDS}
    return {name: text for name, text in said.items() if text and text != getattr(example, name)}


def draft_changed(example: Example, found: Record) -> bool:
    """Whether no draft of the example is the record's, as it was imported or as it is now."""
    if not found.has_draft:
        return False
    last = last_imports([example.pk]).get(example.pk, {})
    if last.get("draft") == found.draft_fingerprint():
        return False
    wanted = found.draft_fingerprint()
    return all(
        draft_record(draft).draft_fingerprint() != wanted
        for draft in example.drafts.all()
        if draft.original_id is None
    )


def _goes_on(example: Example, found: Record) -> Draft | None:
    """The draft that differs in its end alone, unless a person worked on it or approved it."""
    if not found.final_code:
        return None
    wanted = replace(found, final_code="").draft_fingerprint()
    for draft in Draft.objects.select_for_update().filter(example=example, original=None):
        held = draft_record(draft)
        if (
            replace(held, final_code="").draft_fingerprint() == wanted
            and draft.status != DraftStatus.APPROVED
            and not AuditEvent.objects.filter(draft_pk=draft.pk, actor__isnull=False).exists()
        ):
            return draft
    return None


def last_imports(examples: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What the audit trail says about the last import of each example."""
    events = AuditEvent.objects.filter(
        target_type="example", target_id__in=[str(pk) for pk in examples], action=IMPORTED
    )
    return {int(pk): data for pk, data in events.order_by("id").values_list("target_id", "data")}


def _first_status(item: Prepared) -> DraftStatus:
    repaired = item.plan is not None and (item.plan.steps or item.plan.final)
    return DraftStatus.REPAIRING if repaired else DraftStatus.DRAFT


def _plan(item: Prepared) -> Plan:
    assert item.plan is not None, "only records with a draft come here"
    return item.plan


def _revisions(found: Plan, ids: Sequence[int]) -> Iterator[tuple[int, int, str, Origin]]:
    last = len(found.codes) - 1
    for number, (pk, code) in enumerate(zip(ids, found.codes, strict=True)):
        yield number, pk, code, _origin(number, found.final and number == last)


def _origin(number: int, is_final: bool) -> Origin:
    if number == 0:
        return Origin.DRAFT
    return Origin.FINAL if is_final else Origin.STEP
