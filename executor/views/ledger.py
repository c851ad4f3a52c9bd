"""The step ledger's own pages: move, remove, merge, split a step, or change its code."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from curation import hunks
from curation.forms import StepCodeForm
from curation.models import Draft, FixStep
from curation.services import ledger
from curation.services.audit import actor_of
from curation.services.steps import StepRefused
from executor.batch import request_runs

Change = Callable[..., ledger.Outcome]


def _step(pk: int) -> FixStep:
    steps = FixStep.objects.select_related("draft__example__dataset", "before", "after")
    return get_object_or_404(steps, pk=pk)


@require_POST
def step_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    step = draft.steps.order_by("-order").first()
    if step is None:
        messages.error(request, "There is no step to take back.")
        return redirect("workbench", draft.pk)
    return _change(request, draft, partial(ledger.remove_step, step), "was taken back")


def _change(request: HttpRequest, draft: Draft, change: Change, said: str) -> HttpResponse:
    """Change the ledger, have what is new verified, and say what no longer applies."""
    user = actor_of(request.user)
    try:
        outcome = change(by=user)
    except StepRefused as refused:
        messages.error(request, str(refused))
        return redirect("workbench", draft.pk)
    request_runs(list(draft.revisions.select_related("draft__example__dataset")), by=user)
    messages.success(request, f"The step {said}. The history can take that back.")
    if outcome.lost:
        orders = ", ".join(map(str, outcome.lost))
        messages.warning(
            request,
            f"No longer applies: step {orders}. It is kept in the ledger; mend or remove it.",
        )
    return redirect("workbench", draft.pk)


CHANGES: dict[str, tuple[Callable[[FixStep], Change], str]] = {
    "up": (lambda s: partial(ledger.move_step, s, to=s.order - 1), "was moved up"),
    "down": (lambda s: partial(ledger.move_step, s, to=s.order + 1), "was moved down"),
    "remove": (lambda s: partial(ledger.remove_step, s), "was removed"),
    "merge": (lambda s: partial(ledger.merge_with_next, s), "was merged with the next"),
}


@require_POST
def step_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Move, remove or merge a step: `do` says which."""
    step = _step(pk)
    if request.POST.get("do") in ("settle", "unsettle"):
        settled = request.POST["do"] == "settle"
        ledger.settle(step, settled, by=actor_of(request.user))
        return redirect("workbench", step.draft_id)
    chosen = CHANGES.get(request.POST.get("do", ""))
    if chosen is None:
        return redirect("workbench", step.draft_id)
    return _change(request, step.draft, chosen[0](step), chosen[1])


@require_http_methods(["GET", "POST"])
def step_split(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose which changes of a step become the first of two."""
    step = _step(pk)
    draft = step.draft
    if request.method == "POST":
        first = [int(value) for value in request.POST.getlist("hunk") if value.isdigit()]
        change = partial(ledger.split_step, step, first=first)
        return _change(request, draft, change, "was split")
    found = []
    if step.before and step.after:
        found = hunks.separable(step.before.code, step.after.code)
    context = {"step": step, "draft": draft, "dataset": draft.example.dataset, "hunks": found}
    return render(request, "executor/step_split.html", context)


@require_http_methods(["GET", "POST"])
def step_code(request: HttpRequest, pk: int) -> HttpResponse:
    """The code of a step: say it otherwise, or show the lines where it belongs."""
    step = _step(pk)
    before = ledger.code_before(step)
    form = StepCodeForm(request.POST or None, step=step, before=before)
    if request.method == "POST" and form.is_valid():
        return _change(request, step.draft, form.change(), "was changed")
    context = {
        "step": step,
        "form": form,
        "draft": step.draft,
        "dataset": step.draft.example.dataset,
        "lines": before.splitlines(),
    }
    status = 422 if form.errors else 200
    return render(request, "executor/step_code.html", context, status=status)
