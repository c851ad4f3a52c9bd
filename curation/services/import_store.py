"""Storing what files hold: many new records in one transaction, and what changed in old ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from curation.services.audit import Actor, event_of, record
from curation.services.drafts import add_revision
from curation.signals import head_changed

ADDED, IMPORTED, CHANGED = "example.added", "example.imported", "example.changed"


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

    @classmethod
    def of(cls, found: Record) -> "Prepared":
        planned = plan(found) if found.has_draft else None
        return cls(found, planned, why_not_runnable(found.pytorch_code))

    @property
    def size(self) -> int:
        """Characters to store, roughly."""
        codes = self.plan.codes if self.plan else ()
        return len(self.record.pytorch_code) + sum(len(code) for code in codes)

    def said(self, file: str) -> dict[str, Any]:
        """What the audit trail keeps of where it came from."""
        data: dict[str, Any] = {"file": file, "fingerprint": self.record.fingerprint()}
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
        first = self.dataset.examples.count()
        examples = Example.objects.bulk_create(
            self._example(item, first + number) for number, item in enumerate(new)
        )
        drafted = [pair for pair in zip(new, examples, strict=True) if pair[0].plan is not None]
        self._add_drafts(drafted)
        AuditEvent.objects.bulk_create(
            happened
            for item, example in zip(new, examples, strict=True)
            for happened in (
                event_of(ADDED, example, dataset=self.dataset, by=self.by),
                event_of(IMPORTED, example, dataset=self.dataset, by=self.by, **item.said(file)),
            )
        )
        return {example.example_id: example.pk for example in examples}

    def _example(self, item: Prepared, position: int) -> Example:
        found = item.record
        return Example(
            dataset=self.dataset,
            example_id=found.example_id,
            pytorch_code=found.pytorch_code,
            title=found.title,
            difficulty=Difficulty(found.difficulty or Difficulty.UNKNOWN),
            source=found.source or self.dataset.source,
            licence=found.licence or self.dataset.licence,
            not_runnable=item.not_runnable,
            position=position,
        )

    def _add_drafts(self, pairs: Sequence[tuple[Prepared, Example]]) -> list[Draft]:
        drafts = Draft.objects.bulk_create(
            Draft(
                example=example,
                role=Role.CHEAP,
                model=item.record.model,
                raw_answer=item.record.draft_code,
                approval_reason=item.record.approval_reason,
                status=_first_status(item),
                created_by=self.by,
            )
            for item, example in pairs
        )
        items = [(item, draft) for (item, _), draft in zip(pairs, drafts, strict=True)]
        stored = Revision.objects.bulk_create(
            revision for item, draft in items for revision in self._revisions(item, draft)
        )
        of_draft: dict[int, list[Revision]] = {draft.pk: [] for draft in drafts}
        for revision in stored:
            of_draft[revision.draft_id].append(revision)
        FixStep.objects.bulk_create(
            self._step(draft, order, placed, of_draft[draft.pk])
            for item, draft in items
            for order, placed in enumerate(item.plan.steps if item.plan else (), start=1)
        )
        # The same code may have been judged before, in another draft of the example.
        head_changed.send(Draft, drafts=[draft.pk for draft in drafts])
        return drafts

    def _revisions(self, item: Prepared, draft: Draft) -> list[Revision]:
        assert item.plan is not None
        last = len(item.plan.codes) - 1
        return [
            Revision(
                draft=draft,
                number=number,
                code=code,
                sha256=sha256(code),
                origin=_origin(number, item.plan.final and number == last),
                created_by=self.by,
            )
            for number, code in enumerate(item.plan.codes)
        ]

    def _step(
        self, draft: Draft, order: int, placed: PlannedStep, revisions: list[Revision]
    ) -> FixStep:
        text = placed.step
        category, subcategory = self.taxonomy.find(placed)
        return FixStep(
            draft=draft,
            order=order,
            error_code=text.error_code,
            error=text.error,
            fix_info=text.fix_info,
            fixed_code=text.fixed_code,
            category=category,
            subcategory=subcategory,
            kind=StepKind(text.kind) if text.kind else usual_kind(placed.located),
            located=placed.located,
            before=None if placed.before is None else revisions[placed.before],
            after=None if placed.after is None else revisions[placed.after],
            span_start=placed.start,
            span_end=placed.end,
            author=self.by,
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
            (draft,) = self._add_drafts([(item, example)])
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


def _origin(number: int, is_final: bool) -> Origin:
    if number == 0:
        return Origin.DRAFT
    return Origin.FINAL if is_final else Origin.STEP
