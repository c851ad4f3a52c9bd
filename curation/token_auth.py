"""Who a program's request comes from: `Authorization: Token …` or `Bearer …`."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from curation.models import ApiToken
from curation.models.base import sha256

# Writing down every use would make each read a write.
NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """
        Raises:
            AuthenticationFailed: a token was sent that opens nothing.
        """
        kind, _, text = get_authorization_header(request).strip().partition(b" ")
        if kind.lower() not in (b"token", b"bearer"):
            return None
        found = ApiToken.objects.select_related("user").filter(sha256=sha256(text.strip())).first()
        now = timezone.now()
        if found is None or not found.user.is_active:
            raise AuthenticationFailed("This token opens nothing: it was revoked or never made.")
        if found.expires_at is not None and found.expires_at <= now:
            raise AuthenticationFailed("This token has expired. Make a new one.")
        if found.used_at is None or found.used_at < now - NOTED_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(used_at=now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
