"""Who works on what: pull the next draft, be given one, give it back.

A claim is a lease: it runs out when nobody works, and work prolongs it. It keeps two people from
being sent to one draft; it locks nobody out.
"""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from curation.enums import DraftStatus, Origin
from curation.models import AuditEvent, Dataset, Draft
from curation.services.audit import Actor, event_of, record
from curation.services.drafts import add_revision

PULLED_FOR = timedelta(hours=2)
GIVEN_FOR = timedelta(days=7)
OPEN = (DraftStatus.DRAFT, DraftStatus.REPAIRING)


class NothingToDo(Exception):
    """There is no draft to be pulled; the text is for the person who asked."""


@transaction.atomic
def next_draft(dataset: Dataset, *, by: User) -> Draft:
    """What to repair now: what is mine already, else the first draft that is nobody's.

    Where a dataset wants several independent repairs, the draft is a blind copy of one's own.

    Raises:
        NothingToDo: everything is repaired, in review, or in someone's hands.
    """
    now = timezone.now()
    mine = _open(dataset).filter(assignee=by, lease_until__gt=now).first()
    if mine is not None:
        return mine
    if dataset.repairs_wanted > 1:
        return _blind_copy(dataset, by, now)
    free = _open(dataset).filter(original=None)
    free = free.filter(Q(assignee=None) | Q(lease_until__lt=now))
    # Two people at once: the second skips the row that the first has locked.
    draft = free.select_for_update(of=("self",), skip_locked=True).first()
    if draft is None:
        raise NothingToDo("Nothing waits for a repair: all is done, in review, or taken.")
    _claim(draft, by, now + PULLED_FOR, by=by)
    return draft


def _open(dataset: Dataset) -> QuerySet[Draft]:
    drafts = Draft.objects.filter(
        example__dataset=dataset, status__in=OPEN, submitted_at=None, example__not_runnable=""
    )
    return drafts.select_related("example__dataset").order_by("example__position", "pk")


def _blind_copy(dataset: Dataset, by: User, now: datetime) -> Draft:
    """A draft of one's own with the code of an original that wants one more repair."""
    alive = Q(repairs__submitted_at__isnull=False) | Q(repairs__lease_until__gte=now)
    originals = (
        _open(dataset)
        .filter(original=None)
        .exclude(repairs__assignee=by)
        .annotate(repair_count=Count("repairs", filter=alive))
        .filter(repair_count__lt=dataset.repairs_wanted)
        .values("pk")
    )
    locked = Draft.objects.select_for_update(of=("self",), skip_locked=True)
    original = locked.filter(pk__in=originals).order_by("example__position", "pk").first()
    if original is None:
        raise NothingToDo("Every draft has its repairs, or you did one of each already.")
    copy = Draft.objects.create(
        example=original.example,
        original=original,
        blind=True,
        role=original.role,
        model=original.model,
        prompt_kind=original.prompt_kind,
        raw_answer=original.raw_answer,
        assignee=by,
        lease_until=now + PULLED_FOR,
        created_by=by,
    )
    code = original.revisions.get(number=0).code
    add_revision(copy, code, origin=Origin.DRAFT, by=by)
    record("draft.copied", copy, dataset=dataset, by=by, original=original.pk)
    return copy


def _claim(draft: Draft, user: User | None, until: datetime | None, *, by: Actor) -> None:
    was = draft.assignee_id
    draft.assignee, draft.lease_until = user, until
    draft.save(update_fields=["assignee", "lease_until"])
    now = user.pk if user else None
    if was != now:
        dataset = draft.example.dataset
        record("draft.assigned", draft, dataset=dataset, by=by, was=was, now=now, to=str(user))


@transaction.atomic
def assign(drafts: QuerySet[Draft], user: User | None, *, by: Actor) -> int:
    """Give drafts to a person for a week, or (None) to nobody; how many changed hands."""
    until = timezone.now() + GIVEN_FOR if user else None
    locked = drafts.select_for_update(of=("self",)).select_related("example__dataset")
    changed = [draft for draft in locked if draft.assignee_id != (user.pk if user else None)]
    for draft in changed:
        _claim(draft, user, until, by=by)
    return len(changed)


@transaction.atomic
def assign_all(dataset: Dataset, drafts: QuerySet[Draft], user: User | None, *, by: Actor) -> int:
    """As `assign`, for any number of a dataset's drafts: one event takes them all back."""
    chosen = Draft.objects.filter(pk__in=drafts.order_by().values("pk"), example__dataset=dataset)
    chosen = chosen.exclude(assignee=user) if user else chosen.filter(assignee__isnull=False)
    locked = chosen.select_for_update(of=("self",)).select_related("example__dataset")
    changed = list(locked.defer("raw_answer", "example__pytorch_code").order_by("pk"))
    if not changed:
        return 0
    until = timezone.now() + GIVEN_FOR if user else None
    ids = [draft.pk for draft in changed]
    Draft.objects.filter(pk__in=ids).update(assignee=user, lease_until=until)
    was: dict[str, list[int]] = {}
    for draft in changed:
        was.setdefault(str(draft.assignee_id or ""), []).append(draft.pk)
    now, to = user.pk if user else None, str(user)
    AuditEvent.objects.bulk_create(
        event_of(
            "draft.assigned", draft, dataset=dataset, by=by, was=draft.assignee_id, now=now, to=to
        )
        for draft in changed
    )
    record(
        "drafts.assigned", dataset, dataset=dataset, by=by, count=len(ids), was=was, now=now, to=to
    )
    return len(ids)


def prolong(draft: Draft, user: User) -> None:
    """Work on a draft prolongs the worker's lease."""
    until = timezone.now() + PULLED_FOR
    Draft.objects.filter(pk=draft.pk, assignee=user, lease_until__lt=until).update(
        lease_until=until
    )


def reveal(original: Draft) -> bool:
    """Show the independent repairs of a draft once all that are wanted are in."""
    repairs = original.repairs.filter(submitted_at__isnull=False)
    if repairs.count() < original.example.dataset.repairs_wanted:
        return False
    original.repairs.filter(blind=True, submitted_at__isnull=False).update(blind=False)
    return True
