"""What a person chose for themselves: told to every page, and taken from it."""

import json
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST

from curation.enums import PreferenceName
from curation.services import preferences
from curation.services.audit import actor_of
from curation.services.preferences import PreferenceRefused


@require_POST
def preference_keep(request: HttpRequest) -> HttpResponse:
    """Remember the theme or the shortcuts of a person."""
    try:
        body = json.loads(request.body)
        name, text, at = PreferenceName(body["name"]), body["text"], int(body["at"])
        if not isinstance(text, str) or not 0 <= at < 2**53:
            raise ValueError("text or at")
        preferences.keep(name, text, at, by=actor_of(request.user))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return JsonResponse({"detail": "This is no preference."}, status=400)
    except PreferenceRefused as refused:
        return JsonResponse({"detail": str(refused)}, status=400)
    return HttpResponse(status=204)


def context(request: HttpRequest) -> dict[str, Any]:
    """`account` for base.html, looked up only where a whole page is made."""
    return {"account": SimpleLazyObject(partial(_account, request))}


def _account(request: HttpRequest) -> str:
    """As JSON who is signed in, what they chose, and where choices are kept."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return ""
    chosen = preferences.preferences_of(user)
    return json.dumps({"who": user.pk, "url": reverse("preference-keep"), "chosen": chosen})
