"""Fix steps: save an edit as the next step, change its words."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from curation import ledger, transitions
from curation.enums import DraftStatus, Located, Origin, StepKind
from curation.models import Category, Draft, FixStep, Revision, Subcategory
from curation.services.audit import Actor, record
from curation.services.drafts import add_revision
from curation.services.review import unsubmit
from curation.services.taxonomy import current


class StepRefused(Exception):
    """Why a step was not saved; the text is for the person who asked."""


class StaleDraft(StepRefused):
    """Someone saved a revision since this edit began; `head` is the newest one."""

    def __init__(self, head: Revision) -> None:
        super().__init__(
            f"Revision {head.number} was saved meanwhile. Your edit is kept in the editor: "
            "compare it with the new revision, then save again."
        )
        self.head = head


@dataclass(frozen=True, slots=True)
class StepText:
    """What a person says about a step."""

    error: str = ""
    traceback: str = ""
    fix_info: str = ""
    category: Category | None = None
    subcategory: Subcategory | None = None
    kind: StepKind = StepKind.BEHAVIOUR
    seconds: int = 0

    def values(self) -> dict[str, Any]:
        """By the names of a step's columns."""
        return {
            "error": self.error,
            "traceback": self.traceback,
            "fix_info": self.fix_info,
            "category_id": self.category and self.category.pk,
            "subcategory_id": self.subcategory and self.subcategory.pk,
            "kind": self.kind,
            "seconds": self.seconds,
        }


@transaction.atomic
def save_step(
    draft: Draft,
    *,
    base: int,
    code: str,
    text: StepText,
    lines: tuple[int, int] | None = None,
    by: Actor,
) -> FixStep:
    """Append `code` as the next revision, and the step that leads to it.

    Error_Code and Fixed_Code are the smallest run of lines that replays from revision `base`,
    with those of `lines` (first and last, counted from 1) taken in.

    Raises:
        StaleDraft: `base` is no longer the newest revision.
        StepRefused: nothing changed, the draft is approved, or the subcategory is another
            category's.
    """
    draft = Draft.objects.select_for_update().select_related("example__dataset").get(pk=draft.pk)
    head = draft.revisions.order_by("-number").first()
    assert head is not None, "every draft has revision 0"
    check_open(draft)
    if head.number != base:
        raise StaleDraft(head)
    change = ledger.propose(head.code, code, lines)
    if change is None:
        raise StepRefused(f"The code is the same as revision {head.number}: nothing to save.")
    check_category(text.category, text.subcategory)
    after = add_revision(draft, code, origin=Origin.STEP, by=by)
    step = FixStep.objects.create(
        draft=draft,
        order=draft.steps.count() + 1,
        error_code=change.error_code,
        fixed_code=change.fixed_code,
        **text.values(),
        located=Located.EXACT,
        before=head,
        after=after,
        span_start=change.start,
        span_end=change.end,
        author=by,
    )
    changed(draft)
    record("step.saved", step, dataset=draft.example.dataset, by=by, order=step.order)
    return step


def check_category(category: Category | None, subcategory: Subcategory | None) -> None:
    if subcategory is not None and (category is None or subcategory.category_id != category.pk):
        raise StepRefused(f"“{subcategory}” is not a subcategory of “{category or 'no category'}”.")


TEXT_FIELDS = (
    "error",
    "traceback",
    "fix_info",
    "category_id",
    "subcategory_id",
    "kind",
    "seconds",
)


def text_from(step: FixStep) -> dict[str, Any]:
    """What is said about a step, as JSON."""
    return {name: getattr(step, name) for name in TEXT_FIELDS}


@transaction.atomic
def edit_step(step: FixStep, *, text: StepText | dict[str, Any], by: Actor) -> FixStep:
    """Change what is said about a step; its code stays. `text` may be what text_from gave.

    How long its author took is changed by the author alone.

    Raises:
        StepRefused: the subcategory is another category's.
    """
    values = text.values() if isinstance(text, StepText) else _said_now(text)
    step = FixStep.objects.select_for_update(of=("self",)).get(pk=step.pk)
    was = text_from(step)
    if by is not None and step.author_id not in (None, by.pk):
        values = values | {"seconds": step.seconds}
    for field, value in values.items():
        setattr(step, field, value)
    check_category(step.category, step.subcategory)
    now = text_from(step)
    if was != now:
        step.save(update_fields=[name.removesuffix("_id") for name in TEXT_FIELDS])
        record("step.edited", step, dataset=step.draft.example.dataset, by=by, was=was, now=now)
    return step


def _said_now(text: dict[str, Any]) -> dict[str, Any]:
    """What was said earlier, with the categories of today."""
    category, subcategory = current(text["category_id"], text["subcategory_id"])
    return text | {"category_id": category, "subcategory_id": subcategory}


def check_open(draft: Draft) -> None:
    if draft.status == DraftStatus.APPROVED:
        raise StepRefused("This draft is approved. A reviewer has to open it again first.")


def changed(draft: Draft) -> None:
    """The draft's code is another now: it is being repaired, and not in review any more."""
    transitions.move(draft, DraftStatus.REPAIRING)
    unsubmit(draft)
