"""Who may do what in a dataset: the one place that decides it.

A person's role is the higher of the membership's and of what the dataset gives everyone. A
superuser is admin everywhere. What one may not even read is answered as if it were not there.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest

from curation.enums import MemberRole
from curation.models import Dataset, Draft, Membership

Person = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Access:
    """A dataset and the asking person's role in it; None: not even reading."""

    dataset: Dataset
    role: MemberRole | None

    def may(self, least: MemberRole) -> bool:
        return self.role is not None and self.role.rank >= least.rank

    def check(self, least: MemberRole) -> None:
        """
        Raises:
            Http404: the person may not know of the dataset.
            PermissionDenied: the role is too low; the text says which one it takes.
        """
        if self.role is None:
            raise Http404("There is no such dataset.")
        if not self.may(least):
            raise PermissionDenied(
                f"This takes the role {least.label.lower()} in “{self.dataset.title}”; yours is "
                f"{self.role.label.lower()}. An admin of the dataset can change it."
            )

    @property
    def may_repair(self) -> bool:
        return self.may(MemberRole.ANNOTATOR)

    @property
    def may_review(self) -> bool:
        return self.may(MemberRole.REVIEWER)

    @property
    def may_lead(self) -> bool:
        return self.may(MemberRole.LEAD)

    @property
    def may_administer(self) -> bool:
        return self.may(MemberRole.ADMIN)


_DRAFTS = "examples__drafts__"
_RUNS = "examples__runs__"


def access_by(user: Person, lookup: str, key: Any) -> Access:
    """The access to the dataset that `lookup` (from Dataset) finds with `key`, in one query.

    Raises:
        Http404: there is none, or it belongs to someone else's blind repair.
    """
    mine = Membership.objects.filter(dataset=OuterRef("pk"), user=user.pk).values("role")
    datasets = Dataset.objects.filter(**{lookup: key}).annotate(own_role=Subquery(mine[:1]))
    for prefix, own in ((_DRAFTS, ""), (_RUNS, "runs__")):
        if lookup.startswith(prefix):
            path = own + lookup.removeprefix(prefix)
            datasets = datasets.exclude(Exists(hidden(user).filter(**{path: key})))
    found = datasets.first()
    if found is None:
        raise Http404("There is no such record.")
    return Access(found, _role(user, found.everyone, found.own_role))


def access_to(user: Person, dataset: Dataset) -> Access:
    return access_by(user, "pk", dataset.pk)


def _role(user: Person, everyone: str, own: str | None) -> MemberRole | None:
    if isinstance(user, User) and user.is_superuser:
        return MemberRole.ADMIN
    roles = [MemberRole(role) for role in (everyone, own) if role]
    return max(roles, key=lambda role: role.rank, default=None)


def sees_time(user: Person, dataset: Dataset, author: int | None) -> bool:
    """Whether a person may see how long an author (an id; None: imported) took for a step."""
    return author is None or author == user.pk or dataset.times_shown


def hidden(user: Person) -> QuerySet[Draft]:
    """Blind repairs of other people: nobody but who makes one may see it until all are in."""
    return Draft.objects.filter(blind=True).exclude(assignee=user.pk)


def visible(user: Person) -> QuerySet[Dataset]:
    """The datasets that a person may read."""
    if isinstance(user, User) and user.is_superuser:
        return Dataset.objects.all()
    mine = Membership.objects.filter(user=user.pk).values("dataset")
    return Dataset.objects.filter(~Q(everyone="") | Q(pk__in=mine))


def led_by(user: Person) -> QuerySet[Dataset]:
    """The datasets that a person leads."""
    if isinstance(user, User) and user.is_superuser:
        return Dataset.objects.all()
    leading = [MemberRole.LEAD, MemberRole.ADMIN]
    mine = Membership.objects.filter(user=user.pk, role__in=leading).values("dataset")
    return Dataset.objects.filter(Q(everyone__in=leading) | Q(pk__in=mine))


def leads_any(user: Person) -> bool:
    """Whether a person may change what belongs to no dataset, as prompts do."""
    return bool(isinstance(user, User) and user.is_superuser) or led_by(user).exists()


def require(user: Person, dataset: Dataset, least: MemberRole) -> Access:
    """
    Raises:
        Http404, PermissionDenied: see Access.check.
    """
    access = access_to(user, dataset)
    access.check(least)
    return access


def context(request: HttpRequest) -> dict[str, Any]:
    """`access` for templates: what the person may do in the page's dataset."""
    return {"access": getattr(request, "access", None)}
