"""Audit events, written in the same transaction as what they tell of."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import models

from curation.models import AuditEvent, Dataset, Draft

Actor = User | None  # None: the machine


def actor_of(user: AbstractBaseUser | AnonymousUser) -> User:
    """The signed-in user of a request."""
    assert isinstance(user, User), "the login middleware lets no one else in"
    return user


def event_of(
    action: str, target: models.Model, *, dataset: Dataset | None, by: Actor, **data: Any
) -> AuditEvent:
    """An event that is not stored yet, for those who store many at once."""
    return AuditEvent(
        actor=by,
        action=action,
        dataset=dataset,
        draft_pk=target.pk if isinstance(target, Draft) else getattr(target, "draft_id", None),
        target_type=target._meta.model_name or "",
        target_id=str(target.pk),
        target=str(target)[:300],
        data=data,
    )


def record(
    action: str, target: models.Model, *, dataset: Dataset | None, by: Actor, **data: Any
) -> AuditEvent:
    stored = event_of(action, target, dataset=dataset, by=by, **data)
    stored.save(force_insert=True)
    return stored
