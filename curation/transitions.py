"""The one table of a draft's states, and the only code that changes a status."""

from dataclasses import dataclass

from curation.enums import DraftStatus
from curation.models import Draft

S = DraftStatus


@dataclass(frozen=True, slots=True)
class Arrow:
    """A change of state, and what brings it about."""

    start: DraftStatus
    end: DraftStatus
    when: str


ARROWS = (
    Arrow(S.DRAFT, S.REPAIRING, "a step is saved"),
    Arrow(S.DRAFT, S.VERIFIED, "the machine says that the newest revision passes"),
    Arrow(S.REPAIRING, S.VERIFIED, "the machine says that the newest revision passes"),
    Arrow(S.VERIFIED, S.REPAIRING, "the code changes, or a new verdict is no pass"),
    Arrow(S.VERIFIED, S.APPROVED, "a second person approves"),
    Arrow(S.DRAFT, S.APPROVED, "a second person approves and writes why"),
    Arrow(S.REPAIRING, S.APPROVED, "a second person approves and writes why"),
    Arrow(S.APPROVED, S.REPAIRING, "a reviewer opens it again"),
)
_ALLOWED = {(arrow.start, arrow.end) for arrow in ARROWS}


class NotAllowed(Exception):
    """A change of state that the table does not hold; the text is for the person who asked."""


def can_move(draft: Draft, to: DraftStatus) -> bool:
    return (DraftStatus(draft.status), to) in _ALLOWED


def move(draft: Draft, to: DraftStatus) -> bool:
    """Set the draft's status; False when it was there already, or another got there first.

    Raises:
        NotAllowed: the table has no such arrow.
    """
    if draft.status == to:
        return False
    if not can_move(draft, to):
        raise NotAllowed(
            f"A draft that is {draft.get_status_display().lower()} cannot become {to}."
        )
    moved = Draft.objects.filter(pk=draft.pk, status=draft.status).update(status=to)
    draft.refresh_from_db(fields=["status"])
    return moved == 1


def put_back(draft: Draft, to: DraftStatus) -> None:
    """Undo a change of state: the one way against the arrows."""
    Draft.objects.filter(pk=draft.pk).update(status=to)
    draft.refresh_from_db(fields=["status"])


def drawing() -> str:
    """The table as a Mermaid state diagram, as docs/architecture.md shows it."""
    lines = [f"    {arrow.start} --> {arrow.end}: {arrow.when}" for arrow in ARROWS]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {S.DRAFT}", *lines])
