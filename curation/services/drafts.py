"""Drafts: paste one, and take the machine's word about it."""

from django.db import transaction

from curation import transitions
from curation.enums import DraftStatus, Origin, PromptKind, Role
from curation.llm.extraction import extract_code
from curation.models import Draft, Example, Revision
from curation.models.base import sha256
from curation.services.audit import Actor, record
from curation.signals import head_changed


@transaction.atomic
def add_draft(
    example: Example,
    *,
    raw_answer: str,
    code: str | None = None,
    role: Role = Role.CHEAP,
    model: str = "",
    prompt_kind: PromptKind = PromptKind.UNKNOWN,
    by: Actor,
) -> Draft:
    """Store a model's answer and its code as revision 0.

    `code` is what a person confirmed; without it the code is extracted from `raw_answer`.
    """
    draft = Draft.objects.create(
        example=example,
        role=role,
        model=model,
        prompt_kind=prompt_kind,
        raw_answer=raw_answer,
        created_by=by,
    )
    text = extract_code(raw_answer).code if code is None else code
    add_revision(draft, text, origin=Origin.DRAFT, by=by)
    record("draft.added", draft, dataset=example.dataset, by=by, role=role, model=model)
    return draft


def add_revision(draft: Draft, code: str, *, origin: Origin, by: Actor) -> Revision:
    """Append the next revision; the caller holds the draft's lock or has just made it."""
    last = draft.revisions.order_by("-number").first()
    revision = Revision.objects.create(
        draft=draft,
        number=0 if last is None else last.number + 1,
        code=code,
        sha256=sha256(code),
        origin=origin,
        created_by=by,
    )
    head_changed.send(Draft, drafts=[draft.pk])
    return revision


@transaction.atomic
def note_verdict(draft: Draft, *, code_hash: str, passed: bool, judged: str) -> None:
    """The machine's word on a code: where it is the newest revision's, the draft becomes verified
    when it passed, and is not any more when it did not. `judged` is what `Draft.judged` holds."""
    draft = Draft.objects.select_for_update().get(pk=draft.pk)
    head = draft.revisions.order_by("-number").first()
    if head is None or head.sha256 != code_hash:
        return
    Draft.objects.filter(pk=draft.pk).update(judged=judged)
    was = draft.status
    if passed and transitions.can_move(draft, DraftStatus.VERIFIED):
        transitions.move(draft, DraftStatus.VERIFIED)
    elif not passed and was == DraftStatus.VERIFIED:
        transitions.move(draft, DraftStatus.REPAIRING)
    if draft.status != was:
        dataset = draft.example.dataset
        record("draft.status", draft, dataset=dataset, by=None, was=was, now=draft.status)
