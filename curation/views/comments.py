"""Comments on a draft: add one, mark it as dealt with, take one's own back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from curation.forms import CommentForm
from curation.models import Comment, Draft
from curation.services.audit import actor_of
from curation.services.comments import (
    CommentRefused,
    add_comment,
    delete_comment,
    set_resolved,
)


def _back(draft_id: int) -> HttpResponse:
    return redirect(reverse("workbench", args=[draft_id]) + "#review")


@require_POST
def comment_add(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    form = CommentForm(request.POST, draft=draft)
    if not form.is_valid():
        messages.error(request, " ".join(str(m) for all in form.errors.values() for m in all))
        return _back(pk)
    try:
        add_comment(draft, **form.cleaned_data, by=actor_of(request.user))
    except CommentRefused as refused:
        messages.error(request, str(refused))
    return _back(pk)


def _comment(pk: int) -> Comment:
    return get_object_or_404(Comment.objects.select_related("draft__example__dataset"), pk=pk)


@require_POST
def comment_resolve(request: HttpRequest, pk: int) -> HttpResponse:
    comment = _comment(pk)
    set_resolved(comment, "open" not in request.POST, by=actor_of(request.user))
    return _back(comment.draft_id)


@require_POST
def comment_delete(request: HttpRequest, pk: int) -> HttpResponse:
    comment = _comment(pk)
    try:
        delete_comment(comment, by=actor_of(request.user))
    except CommentRefused as refused:
        messages.error(request, str(refused))
    return _back(comment.draft_id)
