"""A dataset's queue of drafts, and what is done with many of them at once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from curation.enums import DraftStatus
from curation.models import Category, Dataset, Example
from curation.permissions import access_to
from curation.queries import counts_of, examples_without_draft
from curation.services.assignment import assign_all
from curation.services.audit import actor_of
from curation.services.trash import TrashRefused, delete_drafts
from executor import draft_list
from executor.bulk import run_newest
from executor.draft_list import Drafts

DRAFTS_PER_PAGE = 50


@require_GET
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    filters = draft_list.Filters.of(request.GET.dict())
    counts, drafts = counts_of(dataset), draft_list.drafts_of(dataset)
    words = draft_list.words_of(filters.q)
    asked = request.GET.get("page", "")
    pages = draft_list.Pages(
        draft_list.rows_of(draft_list.narrowed(drafts, filters, words)),
        DRAFTS_PER_PAGE,
        asked,
        known=draft_list.count_of(counts.sorts, filters),
        in_order=words.frequent,
    )
    page = pages.get_page(asked)
    # To look for none takes as long as the rest of the page.
    missing = examples_without_draft(dataset) if counts.without_draft else Example.objects.none()
    context = {
        "dataset": dataset,
        "filters": filters,
        "facets": draft_list.facets(counts.sorts, filters),
        "categories": Category.objects.values_list("slug", "name"),
        "assignees": draft_list.assignees(dataset),
        "nobody": draft_list.NOBODY,
        "page": page,
        "drafts": draft_list.with_runs(page.object_list),
        "funnel": counts.funnel,
        "missing": missing.defer("pytorch_code")[:50],
        "missing_count": counts.without_draft,
    }
    return render(request, "executor/queue.html", context)


class BulkRefused(Exception):
    """Why nothing was done; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that is done with many drafts, and how the confirmation asks for it."""

    label: str
    do: Callable[[HttpRequest, Dataset, Drafts], str]
    warning: str = ""


def _assign(request: HttpRequest, dataset: Dataset, drafts: Drafts) -> str:
    name = request.POST.get("username", "").strip()
    to = User.objects.filter(username=name, is_active=True).first()
    if to is None or not access_to(to, dataset).may_repair:
        raise BulkRefused(f"“{name}” is no annotator of this dataset.")
    count = assign_all(dataset, drafts, to, by=actor_of(request.user))
    return f"{count} drafts changed hands: they are with {to} now. The history can take that back."


def _unassign(request: HttpRequest, dataset: Dataset, drafts: Drafts) -> str:
    count = assign_all(dataset, drafts, None, by=actor_of(request.user))
    return f"{count} drafts are free now. The history can take that back."


def _run(request: HttpRequest, dataset: Dataset, drafts: Drafts) -> str:
    done = run_newest(dataset, drafts, by=actor_of(request.user))
    said = f"{done.asked} drafts are being run; {done.known} have a verdict that holds."
    if done.not_runnable:
        said += f" {done.not_runnable} cannot run."
    return said + (f" {done.left} are left: do it again for them." if done.left else "")


def _delete(request: HttpRequest, dataset: Dataset, drafts: Drafts) -> str:
    kept = delete_drafts(dataset, drafts, by=actor_of(request.user))
    return f"Deleted: {kept.name}. They can be brought back from Deleted, or from the history."


ACTIONS = {
    "assign": Action("Give to a person", _assign),
    "unassign": Action("Give to nobody", _unassign),
    "run": Action("Run what has no verdict that holds", _run),
    "delete": Action(
        "Delete", _delete, "Their steps, comments and histories go along; all can be brought back."
    ),
}


@require_POST
def queue_bulk(request: HttpRequest, slug: str) -> HttpResponse:
    """Count what an action is about and ask; once it is confirmed, do it."""
    dataset = get_object_or_404(Dataset, slug=slug)
    filters = draft_list.Filters.of(request.POST.dict())
    back = f"{reverse('dataset-detail', args=[slug])}?{urlencode(filters.items())}"
    action = ACTIONS.get(request.POST.get("do", ""))
    drafts = _chosen(request, dataset, filters)
    counts = Counter(drafts.order_by().values_list("status", flat=True))
    if action is None or not counts:
        messages.error(request, "Choose an action, and tick drafts or all that match.")
        return redirect(back)
    total = counts.total()
    if request.POST.get("confirmed") and request.POST.get("expected") == str(total):
        try:
            messages.success(request, action.do(request, dataset, drafts))
        except (BulkRefused, TrashRefused) as refused:
            messages.error(request, str(refused))
        return redirect(back)
    context = {
        "dataset": dataset,
        "action": action,
        "do": request.POST["do"],
        "username": request.POST.get("username", "").strip(),
        "back": back,
        "filters": filters.items(),
        "ticked": [] if request.POST.get("all") else list(drafts.values_list("pk", flat=True)),
        "all": bool(request.POST.get("all")),
        "total": total,
        "statuses": [(label, counts[value]) for value, label in DraftStatus.choices],
        "taken": drafts.filter(assignee__isnull=False).count(),
        "submitted": drafts.filter(submitted_at__isnull=False).count(),
        "changed": bool(request.POST.get("confirmed")),
    }
    return render(request, "executor/queue_confirm.html", context)


def _chosen(request: HttpRequest, dataset: Dataset, filters: draft_list.Filters) -> Drafts:
    """All that match, or of these the ticked ones."""
    drafts = draft_list.narrowed(draft_list.drafts_of(dataset), filters)
    if request.POST.get("all"):
        return drafts
    ticked = [int(pk) for pk in request.POST.getlist("draft") if pk.isdecimal() and len(pk) < 19]
    return drafts.filter(pk__in=ticked)
