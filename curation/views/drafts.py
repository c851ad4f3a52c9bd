"""A draft's history, and the words of a saved step."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from curation import queries
from curation.forms import StepForm
from curation.models import AuditEvent, Dataset, Draft, FixStep
from curation.services.audit import actor_of
from curation.services.members import MemberRefused
from curation.services.review import ReviewRefused
from curation.services.steps import StepRefused, edit_step
from curation.services.undo import UndoRefused, can_undo, undo, undone_among

EVENTS_PER_PAGE = 50


@require_GET
def history(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    context = {
        "draft": draft,
        "dataset": draft.example.dataset,
        "page": _page_of(request, queries.history_of(draft)),
    }
    return render(request, "curation/history.html", context)


@require_POST
def event_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what an event of the history tells of."""
    event = get_object_or_404(AuditEvent.objects.select_related("dataset"), pk=pk)
    try:
        undo(event, access=request.access, by=actor_of(request.user))  # type: ignore[attr-defined]
    except (UndoRefused, StepRefused, ReviewRefused, MemberRefused) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "It was taken back.")
    if event.draft_pk is not None and Draft.objects.filter(pk=event.draft_pk).exists():
        return redirect("draft-history", event.draft_pk)
    assert event.dataset is not None, "the rule found the event by its dataset"
    return redirect("dataset-history", event.dataset.slug)


@require_GET
def dataset_history(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything that was done in a dataset."""
    dataset = get_object_or_404(Dataset, slug=slug)
    events = AuditEvent.objects.filter(dataset=dataset).select_related("actor", "dataset")
    context = {"dataset": dataset, "page": _page_of(request, events.order_by("-id"))}
    return render(request, "curation/history.html", context)


def _page_of(request: HttpRequest, events: QuerySet[AuditEvent]) -> Page[AuditEvent]:
    """One page of events, each with `undoable` and `undone`."""
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    access = request.access  # type: ignore[attr-defined]
    undone = undone_among([event.pk for event in page])
    for event in page:
        event.told = _told(event, access.dataset)  # type: ignore[attr-defined]
        event.undone = event.pk in undone  # type: ignore[attr-defined]
        event.undoable = event.pk not in undone and can_undo(  # type: ignore[attr-defined]
            event, access, actor_of(request.user)
        )
    return page


def _told(event: AuditEvent, dataset: Dataset) -> dict[str, Any]:
    """What the page says of an event: no ledgers, and no one's time unless a lead shows it."""
    told = {name: value for name, value in event.data.items() if name not in _LONG}
    if dataset.times_shown:
        return told
    return {
        name: {part: each for part, each in value.items() if part != "seconds"}
        if isinstance(value, dict)
        else value
        for name, value in told.items()
    }


_LONG = ("ledger_was", "state_was")


def step_edit(request: HttpRequest, pk: int) -> HttpResponse:
    steps = FixStep.objects.select_related("draft__example__dataset", "category", "subcategory")
    step = get_object_or_404(steps, pk=pk)
    form = StepForm(request.POST) if request.method == "POST" else StepForm.of(step)
    if form.is_bound and form.is_valid():
        try:
            edit_step(step, text=form.text(), by=actor_of(request.user))
        except StepRefused as refused:
            form.add_error("subcategory", str(refused))
        else:
            messages.success(request, f"Step {step.order} was changed.")
            return redirect("workbench", step.draft_id)
    context = {
        "form": form,
        "step": step,
        "draft": step.draft,
        "dataset": step.draft.example.dataset,
        "categories": queries.categories(),
    }
    status = 422 if form.errors else 200
    return render(request, "curation/step_edit.html", context, status=status)
