"""What the editor keeps on the server, and who else has the draft open."""

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from curation.models import Draft
from curation.services import copies
from curation.services.audit import actor_of
from curation.services.copies import DraftGone, Kept


def _kept(body: Any) -> Kept:
    """
    Raises:
        ValueError: a field is missing or of another kind.
    """
    if not isinstance(body, dict):
        raise ValueError("an object is wanted")
    code, form = body.get("code"), body.get("form") or {}
    tab, replaces = str(body.get("tab", ""))[:64], str(body.get("replaces") or "")[:64]
    if not tab or not isinstance(code, str | None) or not isinstance(form, dict):
        raise ValueError("tab, code or form")
    base, seconds = int(body["base"]), int(body.get("seconds") or 0)
    if not (0 <= base < 2**31 and 0 <= seconds < 2**31):
        raise ValueError("base or seconds")
    if code is not None:
        code = code.replace("\0", "")
    texts = {str(name)[:50]: str(value).replace("\0", "") for name, value in form.items()}
    return Kept(tab, base, code, texts, seconds, replaces)


@require_POST
def copy_keep(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep what one tab holds; the answer says who else is here and which revision is newest."""
    draft = get_object_or_404(Draft, pk=pk)
    try:
        kept = _kept(json.loads(request.body))
    except (ValueError, KeyError, TypeError, RecursionError):
        return JsonResponse({"detail": "This is no working copy."}, status=400)
    user = actor_of(request.user)
    try:
        copies.keep(draft, kept, by=user)
        head = copies.newest_of(draft)
    except DraftGone as gone:
        return JsonResponse({"detail": str(gone)}, status=404)
    return JsonResponse({"head": head, "others": copies.others_here(draft, user)})


@require_POST
def layout_keep(request: HttpRequest) -> HttpResponse:
    """Remember the widths of the workbench's panes, in percent."""
    try:
        body = json.loads(request.body)
        left, right, at = float(body["left"]), float(body["right"]), int(body["at"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return JsonResponse({"detail": "This is no layout."}, status=400)
    if not (15 <= left <= 60 and 15 <= right <= 60 and 0 <= at < 2**53):
        return JsonResponse({"detail": "The panes are 15 to 60 percent wide."}, status=400)
    copies.keep_layout(left, right, at, by=actor_of(request.user))
    return HttpResponse(status=204)


@require_POST
def copy_drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a copy that its owner discarded."""
    draft = get_object_or_404(Draft, pk=pk)
    copies.drop(draft, request.POST.get("tab", ""), by=actor_of(request.user))
    return HttpResponse(status=204)


@require_POST
def copy_merged(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a merged text as the working copy on the newest revision, and go on with it."""
    draft = get_object_or_404(Draft, pk=pk)
    code = request.POST.get("code", "").replace("\r\n", "\n").replace("\0", "")
    tab = request.POST.get("tab", "")[:64] or "form"
    try:
        kept = Kept(tab, copies.newest_of(draft), code)
        copy = copies.keep(draft, kept, by=actor_of(request.user))
    except DraftGone as gone:
        raise Http404(str(gone)) from gone
    return redirect(reverse("workbench", args=[pk]) + f"?copy={copy.pk}")
