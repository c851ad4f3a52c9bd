"""Comments on drafts, steps and lines."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from curation.models import Comment, Draft, FixStep
from curation.services.audit import record

# What a comment that was taken back is made of again.
_KEPT = ("step_id", "revision", "line", "quote", "text", "author_id")


class CommentRefused(Exception):
    """Why a comment was not taken; the text is for the person who asked."""


@transaction.atomic
def add_comment(
    draft: Draft,
    *,
    text: str,
    step: FixStep | None = None,
    revision: int | None = None,
    line: int | None = None,
    by: User,
) -> Comment:
    """Say something about a draft, a step of it, or a line of one of its revisions.

    Raises:
        CommentRefused: nothing was said, or the step, revision or line is not there.
    """
    if not text.strip():
        raise CommentRefused("Say something: the comment is empty.")
    if step is not None and step.draft_id != draft.pk:
        raise CommentRefused("That step belongs to another draft.")
    quote = "" if line is None else _line_of(draft, revision or 0, line)
    comment = Comment.objects.create(
        draft=draft,
        text=text.strip(),
        step=step,
        revision=None if line is None else revision,
        line=line,
        quote=quote,
        author=by,
    )
    dataset = draft.example.dataset
    record("comment.added", comment, dataset=dataset, by=by, text=comment.text)
    return comment


def _line_of(draft: Draft, revision: int, line: int) -> str:
    found = draft.revisions.filter(number=revision).first()
    lines = found.code.splitlines() if found else []
    if not 1 <= line <= len(lines):
        raise CommentRefused(f"Revision {revision} has no line {line}.")
    return lines[line - 1]


@transaction.atomic
def set_resolved(comment: Comment, resolved: bool, *, by: User) -> Comment:
    """Mark a comment as dealt with, or open it again."""
    comment = Comment.objects.select_for_update().get(pk=comment.pk)
    if (comment.resolved_at is not None) != resolved:
        comment.resolved_at = timezone.now() if resolved else None
        comment.resolved_by = by if resolved else None
        comment.save(update_fields=["resolved_at", "resolved_by"])
        action = "comment.resolved" if resolved else "comment.opened"
        dataset = comment.draft.example.dataset
        record(action, comment, dataset=dataset, by=by)
    return comment


@transaction.atomic
def delete_comment(comment: Comment, *, by: User) -> None:
    """Take back one's own comment; the history keeps its text.

    Raises:
        CommentRefused: it is someone else's.
    """
    if comment.author_id != by.pk:
        raise CommentRefused("Only who wrote a comment can take it back.")
    dataset = comment.draft.example.dataset
    record(
        "comment.deleted",
        comment,
        dataset=dataset,
        by=by,
        comment={name: getattr(comment, name) for name in _KEPT},
    )
    comment.delete()
