"""Independent repairs of one draft side by side, and the choice between them."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from curation.merge import merge
from curation.models import Draft, FixStep, Revision
from curation.services.adjudication import adopt
from curation.services.audit import actor_of
from curation.services.steps import StepRefused
from executor import queries
from executor.batch import request_runs
from executor.models import Run


@require_http_methods(["GET", "POST"])
def adjudicate(request: HttpRequest, pk: int) -> HttpResponse:
    """The repairs that are in, their steps and how their ends differ; POST takes one of them."""
    original = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    repairs = original.repairs.filter(blind=False).select_related("assignee").order_by("pk")
    if request.method == "POST":
        return _adopt(request, original, repairs.filter(pk=_number(request)).first())
    shown = [_shown(repair) for repair in repairs]
    start = original.revisions.get(number=0).code
    both = None
    if len(shown) >= 2:
        both = merge(start, shown[0].head.code, shown[1].head.code)
    context = {
        "draft": original,
        "example": original.example,
        "dataset": original.example.dataset,
        "start": start,
        "repairs": shown,
        "both": both,
        "waiting": original.repairs.filter(blind=True).count(),
    }
    return render(request, "executor/adjudicate.html", context)


def _number(request: HttpRequest) -> int:
    value = request.POST.get("repair", "")
    return int(value) if value.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Shown:
    """One repair as the page shows it."""

    draft: Draft
    head: Revision
    run: Run | None
    steps: list[FixStep]


def _shown(repair: Draft) -> Shown:
    head = Revision.objects.filter(draft=repair).select_related("draft__example__dataset")
    newest = head.order_by("-number")[0]
    steps = repair.steps.order_by("order").select_related("category", "subcategory")
    return Shown(repair, newest, queries.run_of(newest), list(steps))


def _adopt(request: HttpRequest, original: Draft, repair: Draft | None) -> HttpResponse:
    user = actor_of(request.user)
    if repair is None:
        messages.error(request, "Choose one of the repairs.")
        return redirect("draft-adjudicate", original.pk)
    try:
        adopt(repair, by=user)
    except StepRefused as refused:
        messages.error(request, str(refused))
        return redirect("draft-adjudicate", original.pk)
    request_runs(list(original.revisions.select_related("draft__example__dataset")), by=user)
    messages.success(request, f"The repair of {repair.assignee} is the draft's own now.")
    return redirect("workbench", original.pk)
