"""Take back what was done within the last hour, by the audit event that tells of it.

An undo is an action of its own: it leaves an event, and can be undone in turn where its own event
says how.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from curation import transitions
from curation.enums import DraftStatus, MemberRole
from curation.models import AuditEvent, Comment, Dataset, Draft, Example, FixStep, Trash
from curation.permissions import Access
from curation.services import ledger, members
from curation.services.assignment import assign, assign_all
from curation.services.comments import set_resolved
from curation.services.datasets import set_contract
from curation.services.review import STATE_FIELDS
from curation.services.steps import edit_step, text_from
from curation.services.trash import TrashRefused, bring_back

WITHIN = timedelta(hours=1)
UNDONE = "undone"


class UndoRefused(Exception):
    """Why something was not taken back; the text is for the person who asked."""


Undo = Callable[[AuditEvent, User], None]


@dataclass(frozen=True, slots=True)
class Way:
    """How an action is undone, and the least role that it takes."""

    least: MemberRole
    undo: Undo


@transaction.atomic
def undo(event: AuditEvent, *, access: Access, by: User) -> None:
    """Take back one action.

    Raises:
        UndoRefused: it is too old, someone else's, undone already, or overtaken by a later change.
        PermissionDenied: the person's role is too low for it.
    """
    way = None if event.data.get("restored") else WAYS.get(event.action)
    if way is None:
        raise UndoRefused("There is nothing to take back here.")
    access.check(way.least)
    if event.at < timezone.now() - WITHIN and "ledger_was" not in event.data:
        raise UndoRefused("That was more than an hour ago. Change it by hand.")
    if event.actor_id != by.pk and not access.may_lead:
        raise UndoRefused("Someone else did this: they or a lead can take it back.")
    # Two clicks at once: the second waits here and finds the first one's event.
    AuditEvent.objects.select_for_update().get(pk=event.pk)
    if undone_among([event.pk]):
        raise UndoRefused("This was taken back already.")
    way.undo(event, by)
    AuditEvent.objects.create(
        actor=by,
        action=UNDONE,
        dataset=event.dataset,
        draft_pk=event.draft_pk,
        target_type=event.target_type,
        target_id=event.target_id,
        target=event.target,
        data={"event": event.pk, "action": event.action},
    )


def undone_among(events: list[int]) -> set[int]:
    """Those of these events that were taken back."""
    found = AuditEvent.objects.filter(action=UNDONE, data__event__in=events)
    return set(found.values_list("data__event", flat=True))


def can_undo(event: AuditEvent, access: Access, user: User) -> bool:
    """Whether the page offers it; undo() itself looks closer."""
    way = None if event.data.get("restored") else WAYS.get(event.action)
    if way is None or not access.may(way.least):
        return False
    mine = event.actor_id == user.pk or access.may_lead
    return mine and ("ledger_was" in event.data or event.at >= timezone.now() - WITHIN)


def _draft(event: AuditEvent) -> Draft:
    draft = Draft.objects.filter(pk=event.draft_pk or 0).select_related("example__dataset").first()
    if draft is None:
        raise UndoRefused("That draft is gone. Bring it back first.")
    return draft


def _step(event: AuditEvent) -> FixStep:
    step = FixStep.objects.filter(pk=event.target_id).select_related("draft").first()
    if step is None:
        raise UndoRefused("That step is gone. Take back its removal first.")
    return step


def _ledger(event: AuditEvent, by: User) -> None:
    ledger.restore(
        _draft(event), event.data["ledger_was"], by=by, action="ledger.restored", event=event.pk
    )


def _saved_step(event: AuditEvent, by: User) -> None:
    ledger.remove_step(_step(event), by=by)


def _edited_step(event: AuditEvent, by: User) -> None:
    step = _step(event)
    if text_from(step) != event.data["now"]:
        raise UndoRefused("The step was changed again since. Take that back first.")
    edit_step(step, text=event.data["was"], by=by)


def _settled(event: AuditEvent, by: User) -> None:
    ledger.settle(_step(event), event.action == "step.unsettled", by=by)


def _state(event: AuditEvent, by: User) -> None:
    draft = Draft.objects.select_for_update(of=("self",)).get(pk=_draft(event).pk)
    status = DraftStatus(draft.status)
    if status != event.data["status_now"] or _changed_again(draft, event):
        raise UndoRefused("The draft's state changed again since. Take that back first.")
    was = event.data["state_was"]
    transitions.put_back(draft, DraftStatus(was["status"]))
    Draft.objects.filter(pk=draft.pk).update(**{name: was[name] for name in STATE_FIELDS})


def _changed_again(draft: Draft, event: AuditEvent) -> bool:
    """Whether a later change of the draft's state still stands."""
    later = AuditEvent.objects.filter(draft_pk=draft.pk, pk__gt=event.pk)
    states = set(later.filter(data__has_key="state_was").values_list("pk", flat=True))
    return bool(states - undone_among(list(states)))


def _comment(event: AuditEvent) -> Comment:
    comment = Comment.objects.filter(pk=event.target_id).first()
    if comment is None:
        raise UndoRefused("That comment is gone.")
    return comment


def _added_comment(event: AuditEvent, by: User) -> None:
    _comment(event).delete()


def _deleted_comment(event: AuditEvent, by: User) -> None:
    kept = dict(event.data["comment"])
    if kept["step_id"] and not FixStep.objects.filter(pk=kept["step_id"]).exists():
        kept["step_id"] = None
    Comment.objects.create(pk=event.target_id, draft=_draft(event), **kept)


def _resolved(event: AuditEvent, by: User) -> None:
    set_resolved(_comment(event), event.action == "comment.opened", by=by)


def _member(event: AuditEvent, by: User) -> None:
    user = User.objects.get(username=event.data["user"])
    was = event.data["was"]
    members.set_role(_dataset(event), user, MemberRole(was) if was else None, by=by)


def _everyone(event: AuditEvent, by: User) -> None:
    was = event.data["was"]
    members.set_everyone(_dataset(event), MemberRole(was) if was else None, by=by)


def _repairs(event: AuditEvent, by: User) -> None:
    members.set_repairs(_dataset(event), event.data["was"], by=by)


def _times(event: AuditEvent, by: User) -> None:
    members.set_times_shown(_dataset(event), event.data["was"], by=by)


def _dataset(event: AuditEvent) -> Dataset:
    if event.dataset is None:
        raise UndoRefused("That dataset is gone.")
    return event.dataset


def _assigned(event: AuditEvent, by: User) -> None:
    draft = _draft(event)
    if draft.assignee_id != event.data["now"]:
        raise UndoRefused("The draft changed hands again since.")
    was = User.objects.filter(pk=event.data["was"] or 0).first()
    assign(Draft.objects.filter(pk=draft.pk), was, by=by)


def _assigned_all(event: AuditEvent, by: User) -> None:
    """Those that changed hands again since stay where they are."""
    dataset, now = _dataset(event), event.data["now"]
    back = 0
    for was, ids in event.data["was"].items():
        drafts = Draft.objects.filter(pk__in=ids, assignee=now)
        back += assign_all(dataset, drafts, User.objects.filter(pk=was or 0).first(), by=by)
    if not back:
        raise UndoRefused("Every one of these drafts changed hands again since.")


def _deleted(event: AuditEvent, by: User) -> None:
    kept = Trash.objects.filter(pk=event.data["trash"]).first()
    if kept is None:
        raise UndoRefused("It was brought back already.")
    try:
        bring_back(kept, by=by)
    except TrashRefused as refused:
        raise UndoRefused(str(refused)) from None


def _contract(event: AuditEvent, by: User) -> None:
    example = Example.objects.filter(pk=event.target_id).first()
    if example is None or example.contract != event.data["now"]:
        raise UndoRefused("The contract was changed again since, or its example is gone.")
    set_contract(example, event.data["was"], by=by)


_A, _R, _L, _ADMIN = (
    MemberRole.ANNOTATOR,
    MemberRole.REVIEWER,
    MemberRole.LEAD,
    MemberRole.ADMIN,
)
WAYS: dict[str, Way] = {
    "step.saved": Way(_A, _saved_step),
    "step.edited": Way(_A, _edited_step),
    "step.recoded": Way(_A, _ledger),
    "step.anchored": Way(_A, _ledger),
    "step.moved": Way(_A, _ledger),
    "step.removed": Way(_A, _ledger),
    "step.merged": Way(_A, _ledger),
    "step.split": Way(_A, _ledger),
    "ledger.restored": Way(_A, _ledger),
    "step.settled": Way(_A, _settled),
    "step.unsettled": Way(_A, _settled),
    "draft.submitted": Way(_A, _state),
    "draft.withdrawn": Way(_A, _state),
    "draft.approved": Way(_R, _state),
    "draft.returned": Way(_R, _state),
    "draft.reopened": Way(_R, _state),
    "comment.added": Way(_A, _added_comment),
    "comment.deleted": Way(_A, _deleted_comment),
    "comment.resolved": Way(_A, _resolved),
    "comment.opened": Way(_A, _resolved),
    "draft.adjudicated": Way(_R, _ledger),
    "draft.assigned": Way(_A, _assigned),
    "drafts.assigned": Way(_L, _assigned_all),
    "drafts.deleted": Way(_L, _deleted),
    "example.deleted": Way(_L, _deleted),
    "draft.deleted": Way(_L, _deleted),
    "example.contract": Way(_L, _contract),
    "dataset.times": Way(_L, _times),
    "member.role": Way(_ADMIN, _member),
    "dataset.repairs": Way(_ADMIN, _repairs),
    "dataset.everyone": Way(_ADMIN, _everyone),
}
