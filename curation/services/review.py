"""Review: submit a repair, approve it as a second person, send it back, open it again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from curation import transitions
from curation.enums import DraftStatus, MemberRole, WebhookEvent
from curation.models import Comment, Draft
from curation.services.assignment import reveal
from curation.services.audit import record
from curation.services.webhooks import announce


class ReviewRefused(Exception):
    """Why a review did not happen; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that people do with a draft's state: who may, and what is said then."""

    least: MemberRole
    do: Callable[[Draft, str, User], dict[str, Any]]
    event: str
    said: str


def act(draft: Draft, action: Action, *, text: str = "", by: User) -> Draft:
    """Do it under the draft's lock.

    Raises:
        ReviewRefused, transitions.NotAllowed: it cannot be done; the sentence says why.
    """
    with transaction.atomic():
        # The lock is on the draft alone: joined rows would be locked for everyone else, too.
        drafts = Draft.objects.select_for_update(of=("self",))
        draft = drafts.select_related("example__dataset").get(pk=draft.pk)
        was = state_of(draft)
        told = action.do(draft, text.strip(), by)
        if state_of(draft) != was:
            dataset, now = draft.example.dataset, draft.status
            record(
                action.event, draft, dataset=dataset, by=by, state_was=was, status_now=now, **told
            )
    return draft


STATE_FIELDS = ("submitted_at", "submitted_by_id", "approved_by_id", "approval_reason")


def state_of(draft: Draft) -> dict[str, Any]:
    """What review changes of a draft, as JSON."""
    values = {name: getattr(draft, name) for name in ("status", *STATE_FIELDS)}
    at = draft.submitted_at
    return values | {"submitted_at": at and at.isoformat()}


def _submit(draft: Draft, text: str, by: User) -> dict[str, Any]:
    if draft.status == DraftStatus.APPROVED:
        raise ReviewRefused("This draft is approved already.")
    if draft.status == DraftStatus.DRAFT:
        raise ReviewRefused("Nothing was repaired yet, and the draft has not passed: no review.")
    if draft.submitted_at is None:
        draft.submitted_at, draft.submitted_by = timezone.now(), by
        draft.save(update_fields=["submitted_at", "submitted_by"])
        if draft.original is not None:
            reveal(draft.original)
    return {}


def _withdraw(draft: Draft, text: str, by: User) -> dict[str, Any]:
    unsubmit(draft)
    return {}


def _approve(draft: Draft, text: str, by: User) -> dict[str, Any]:
    if draft.status == DraftStatus.APPROVED:
        return {}
    if by.pk == draft.submitted_by_id or draft.steps.filter(author=by).exists():
        raise ReviewRefused("You repaired this draft: a second person has to approve it.")
    verified = draft.status == DraftStatus.VERIFIED
    if not verified and not text:
        raise ReviewRefused(
            "The machine did not verify this draft. Approving it takes a written reason, which "
            "exports carry."
        )
    transitions.move(draft, DraftStatus.APPROVED)
    draft.approved_by, draft.approval_reason = by, "" if verified else text
    draft.save(update_fields=["approved_by", "approval_reason"])
    unsubmit(draft)
    head = draft.revisions.order_by("-number").values_list("number", flat=True)[0]
    announce(
        WebhookEvent.APPROVED,
        draft.example.dataset,
        by=by,
        draft=draft.pk,
        example=draft.example_id,
        example_id=draft.example.example_id,
        revision=head,
        reason=draft.approval_reason,
    )
    return {"reason": text}


def _send_back(draft: Draft, text: str, by: User) -> dict[str, Any]:
    if not text:
        raise ReviewRefused("Say what is to be changed: the annotator reads it.")
    if draft.submitted_at is None:
        raise ReviewRefused("This draft was not submitted for review.")
    unsubmit(draft)
    Comment.objects.create(draft=draft, text=text, author=by)
    return {"text": text}


def _reopen(draft: Draft, text: str, by: User) -> dict[str, Any]:
    if draft.status != DraftStatus.APPROVED:
        raise ReviewRefused("This draft is open already.")
    transitions.move(draft, DraftStatus.REPAIRING)
    draft.approved_by, draft.approval_reason = None, ""
    draft.save(update_fields=["approved_by", "approval_reason"])
    return {}


def unsubmit(draft: Draft) -> None:
    """Take a draft out of review; the caller holds its lock."""
    if draft.submitted_at is not None:
        draft.submitted_at = draft.submitted_by = None
        draft.save(update_fields=["submitted_at", "submitted_by"])


_A, _R = MemberRole.ANNOTATOR, MemberRole.REVIEWER
ACTIONS = {
    "submit": Action(_A, _submit, "draft.submitted", "The draft waits for a reviewer."),
    "withdraw": Action(_A, _withdraw, "draft.withdrawn", "The draft is no longer in review."),
    "approve": Action(_R, _approve, "draft.approved", "The draft is approved."),
    "return": Action(_R, _send_back, "draft.returned", "The draft went back to its annotator."),
    "reopen": Action(_R, _reopen, "draft.reopened", "The draft is open again."),
}
