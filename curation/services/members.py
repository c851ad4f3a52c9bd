"""Who is in a dataset, in which role."""

from django.contrib.auth.models import User
from django.db import transaction

from curation.enums import MemberRole
from curation.models import Dataset, Membership
from curation.services.audit import Actor, record


class MemberRefused(Exception):
    """Why a membership was not changed; the text is for the person who asked."""


@transaction.atomic
def set_role(dataset: Dataset, user: User, role: MemberRole | None, *, by: Actor) -> None:
    """Give a person a role in a dataset, or (None) take them out of it.

    Raises:
        MemberRefused: the dataset's last admin would be gone.
    """
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # two admins at once cannot both go
    was = Membership.objects.filter(dataset=dataset, user=user).first()
    before = was.role if was else None
    if before == role:
        return
    admins = Membership.objects.filter(dataset=dataset, role=MemberRole.ADMIN)
    if before == MemberRole.ADMIN and admins.count() == 1:
        raise MemberRefused(f"{user} is the only admin: make another person admin first.")
    if role is None:
        assert was is not None
        was.delete()
    else:
        Membership.objects.update_or_create(dataset=dataset, user=user, defaults={"role": role})
    record("member.role", dataset, dataset=dataset, by=by, user=user.username, was=before, now=role)


@transaction.atomic
def set_repairs(dataset: Dataset, wanted: int, *, by: Actor) -> None:
    """How many independent repairs each draft is to get."""
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    was = dataset.repairs_wanted
    if was != wanted:
        dataset.repairs_wanted = wanted
        dataset.save(update_fields=["repairs_wanted"])
        record("dataset.repairs", dataset, dataset=dataset, by=by, was=was, now=wanted)


@transaction.atomic
def set_times_shown(dataset: Dataset, shown: bool, *, by: Actor) -> None:
    """Whether members see how long each person took for each step."""
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    was = dataset.times_shown
    if was != shown:
        dataset.times_shown = shown
        dataset.save(update_fields=["times_shown"])
        record("dataset.times", dataset, dataset=dataset, by=by, was=was, now=shown)


@transaction.atomic
def set_everyone(dataset: Dataset, role: MemberRole | None, *, by: Actor) -> None:
    """Give every signed-in person a role in a dataset; None: members only."""
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    was, now = dataset.everyone, role or ""
    if was != now:
        dataset.everyone = now
        dataset.save(update_fields=["everyone"])
        record("dataset.everyone", dataset, dataset=dataset, by=by, was=was, now=now)
