"""Pieces that several models share."""

import hashlib
from collections.abc import Iterable

from django.db import models
from django.db.models import Q


def sha256(content: str | bytes) -> str:
    """Hex SHA-256 of text (as UTF-8, lone surrogates kept) or bytes."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def one_of(field: str, choices: Iterable[str], name: str) -> models.CheckConstraint:
    """A constraint that keeps `field` within an enum's values, in the database too."""
    return models.CheckConstraint(condition=Q(**{f"{field}__in": list(choices)}), name=name)
