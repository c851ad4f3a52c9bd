"""Who works on what: pull the next draft, take or release one, give them out."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from curation.models import Dataset, Draft
from curation.permissions import access_to
from curation.services.assignment import NothingToDo, assign, next_draft
from curation.services.audit import actor_of


@require_POST
def dataset_next(request: HttpRequest, slug: str) -> HttpResponse:
    """Open what to repair next, and claim it."""
    dataset = get_object_or_404(Dataset, slug=slug)
    try:
        draft = next_draft(dataset, by=actor_of(request.user))
    except NothingToDo as nothing:
        messages.info(request, str(nothing))
        return redirect("dataset-detail", slug)
    return redirect("workbench", draft.pk)


@require_POST
def draft_claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a draft, or give it back."""
    user = actor_of(request.user)
    to = None if request.POST.get("do") == "release" else user
    drafts = Draft.objects.filter(pk=pk)
    if to is None:
        drafts = drafts.filter(assignee=user)
    assign(drafts, to, by=user)
    return redirect("workbench", pk)


@require_POST
def draft_assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a draft to a person, or to nobody."""
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    name = request.POST.get("username", "").strip()
    to = User.objects.filter(username=name, is_active=True).first() if name else None
    if name and (to is None or not access_to(to, draft.example.dataset).may_repair):
        messages.error(request, f"“{name}” is no annotator of this dataset.")
    else:
        assign(Draft.objects.filter(pk=pk), to, by=actor_of(request.user))
        messages.success(request, f"The draft is {f'with {to}' if to else 'free'} now.")
    return redirect("workbench", pk)
