"""Working copies: what is in people's editors, kept between the keystroke and the step."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from curation.models import Draft, Layout, WorkingCopy
from curation.services.assignment import prolong

# A tab tells every 15 seconds that it is open.
HERE = timedelta(seconds=40)
# A copy of nothing only says who was there; it is of no use later.
EMPTY_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a tab sends: code None when nothing is unsaved there."""

    tab: str
    base: int
    code: str | None
    form: dict[str, Any] = field(default_factory=dict)
    seconds: int = 0
    # The tab whose copy was taken over into this one.
    replaces: str = ""


class DraftGone(Exception):
    """The draft was deleted in the moment in which something was to be kept for it."""

    def __init__(self) -> None:
        super().__init__("This draft was deleted. Who leads the dataset can bring it back.")


@transaction.atomic
def keep(draft: Draft, kept: Kept, *, by: User) -> WorkingCopy:
    """Store what a tab holds. Tabs have rows of their own, so none overwrites another's.

    A tab that is left sends its text once more, maybe after that text went on from a newer
    revision (merged, or with changes left out of a step): what is older then changes nothing.

    Raises:
        DraftGone: somebody deleted the draft meanwhile.
    """
    now = timezone.now()
    # Held to the end: a draft that is deleted under a new row would take its deletion back.
    if not Draft.objects.select_for_update(no_key=True).filter(pk=draft.pk).first():
        raise DraftGone
    newer = WorkingCopy.objects.select_for_update().filter(
        draft=draft, user=by, tab=kept.tab, base__gt=kept.base
    )
    if (copy := newer.first()) is not None:
        return copy
    copy, _ = WorkingCopy.objects.update_or_create(
        draft=draft,
        user=by,
        tab=kept.tab,
        defaults={
            "base": kept.base,
            "code": kept.code,
            "form": kept.form,
            "seconds": kept.seconds,
            "saved_at": None if kept.code is None else now,
            "seen_at": now,
        },
    )
    if kept.code is not None:
        prolong(draft, by)
    mine = WorkingCopy.objects.filter(draft=draft, user=by)
    if kept.replaces and kept.replaces != kept.tab:
        mine.filter(tab=kept.replaces).delete()
    mine.filter(code=None, seen_at__lt=now - EMPTY_FOR).delete()
    return copy


def drop(draft: Draft, tab: str, *, by: User) -> None:
    """Forget a copy: its edit was saved as a step, or its owner discarded it."""
    WorkingCopy.objects.filter(draft=draft, user=by, tab=tab).delete()


def keep_layout(left: float, right: float, at: int, *, by: User) -> None:
    """Remember how a person laid out the workbench, unless something newer is known."""
    Layout.objects.get_or_create(user=by, defaults={"left": left, "right": right, "at": at})
    Layout.objects.filter(user=by, at__lt=at).update(left=left, right=right, at=at)


def layout_of(user: User) -> dict[str, Any] | None:
    found = Layout.objects.filter(user=user).values("left", "right", "at").first()
    return None if found is None else dict(found)


def newest_of(draft: Draft) -> int:
    """The number of the draft's newest revision.

    Raises:
        DraftGone: somebody deleted the draft meanwhile.
    """
    found = draft.revisions.order_by("-number").values_list("number", flat=True).first()
    if found is None:
        raise DraftGone
    return found


def others_here(draft: Draft, user: User, now: datetime | None = None) -> list[str]:
    """Names of the other people who have the draft open, and whether they are editing."""
    since = (now or timezone.now()) - HERE
    here = WorkingCopy.objects.filter(draft=draft, seen_at__gte=since).exclude(user=user)
    editing: dict[str, bool] = {}
    for name, code in here.values_list("user__username", "code"):
        editing[name] = editing.get(name, False) or code is not None
    return [f"{name} is {'editing' if busy else 'here'}" for name, busy in sorted(editing.items())]


def unsaved(draft: Draft, user: User) -> list[WorkingCopy]:
    """The person's own unsaved copies of a draft, the newest first."""
    own = WorkingCopy.objects.filter(draft=draft, user=user, code__isnull=False)
    return list(own.order_by("-saved_at"))
