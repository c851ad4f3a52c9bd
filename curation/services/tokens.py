"""Tokens of the API: a person makes them for programs, and takes them back."""

import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from curation.models import ApiToken
from curation.models.base import sha256
from curation.services.audit import Actor, record

PREFIX = "t2j_"
MOST = 50


class TokenRefused(Exception):
    """Why no token was made; the text is for the person who asked."""


@transaction.atomic
def make_token(
    user: User, *, name: str, days: int | None = None, by: Actor
) -> tuple[ApiToken, str]:
    """A new token of a person, and its text, which is nowhere to be had again.

    `days` is how long it is good for; None: until it is revoked.

    Raises:
        TokenRefused: the person has too many already.
    """
    if user.api_tokens.count() >= MOST:
        raise TokenRefused(f"There are {MOST} tokens already. Revoke those that nobody uses.")
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        start=text[:8],
        # Random text of this length needs no slow hash.
        sha256=sha256(text),
        expires_at=None if days is None else timezone.now() + timedelta(days=days),
    )
    record("token.made", token, dataset=None, by=by, of=user.username)
    return token, text


@transaction.atomic
def revoke_token(token: ApiToken, *, by: Actor) -> None:
    record("token.revoked", token, dataset=None, by=by, of=token.user.username)
    token.delete()
