"""The workbench: run a working copy, save what changed as a step, finish the draft."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from curation import ledger, transitions
from curation.forms import NewStepForm
from curation.hunks import hunks_of, with_hunks
from curation.merge import merge
from curation.models import Draft, Revision, WorkingCopy
from curation.permissions import hidden
from curation.queries import categories
from curation.services import copies, review
from curation.services.audit import actor_of
from curation.services.steps import StaleDraft, StepRefused, save_step
from executor import presentation, queries
from executor.bench import bench_context, run_context
from executor.models import Run
from executor.parity.outcome import Outcome
from executor.services import request_run


def _draft(pk: int) -> Draft:
    return get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)


def _code(request: HttpRequest, base: Revision) -> str:
    """The working copy as sent, with the line ends of its base: browsers send their own."""
    code = request.POST.get("code", "").replace("\r\n", "\n").replace("\0", "")
    windows = "\r\n" in base.code and "\n" not in base.code.replace("\r\n", "")
    return code.replace("\n", "\r\n") if windows else code


@require_GET
def workbench(request: HttpRequest, pk: int) -> HttpResponse:
    """`?run=ID` shows that run, its code as the working copy: how it works without JavaScript."""
    draft = _draft(pk)
    context = bench_context(draft)
    run, code = context["head_run"], context["head"].code
    asked = request.GET.get("run", "")
    if asked.isdigit():
        runs = Run.objects.filter(pk=asked, example=draft.example)
        runs = runs.exclude(draft__in=hidden(request.user)).select_related("verdict")
        run = runs.first() or run
        code = run.code if run else code
    user = actor_of(request.user)
    own = copies.unsaved(draft, user)
    shown = next((copy for copy in own if str(copy.pk) == request.GET.get("copy")), None)
    if shown is not None and shown.code is not None:
        code = shown.code
    context |= run_context(run, draft) | {
        "code": code,
        "copy": shown,
        "sources": [{"number": r.number, "code": r.code} for r in context["revisions"]],
        "copies": [_as_json(copy) for copy in own],
        "others": copies.others_here(draft, user),
        "layout": copies.layout_of(user),
        "repair_count": draft.repairs.filter(blind=False).count(),
    }
    return render(request, "executor/workbench.html", context)


def _as_json(copy: WorkingCopy) -> dict[str, Any]:
    """A working copy as the page's script reads it."""
    at = copy.saved_at or copy.seen_at
    return {
        "tab": copy.tab,
        "base": str(copy.base),
        "code": copy.code,
        "form": copy.form,
        "seconds": copy.seconds,
        "at": int(at.timestamp() * 1000),
    }


@require_POST
def draft_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Run the working copy; nothing is saved but its verdict."""
    draft = _draft(pk)
    code = _code(request, _base(draft, request))
    run = request_run(draft.example, code, draft=draft, by=actor_of(request.user))
    if request.htmx:  # type: ignore[attr-defined]
        context = run_context(run, draft)
        if run.is_over:
            context |= bench_context(draft) | {"live": True}
        return render(request, "executor/_run.html", context)
    return redirect(reverse("workbench", args=[draft.pk]) + f"?run={run.pk}")


@require_POST
def step_new(request: HttpRequest, pk: int) -> HttpResponse:
    """The step form, prefilled: code from the edit, Error from the run of the base revision."""
    draft = _draft(pk)
    base = _base(draft, request)
    code = _code(request, base)
    change = ledger.propose(base.code, code)
    if change is None:
        sentence = f"The code is the same as revision {base.number}: there is no step to save."
        return _refused(request, draft, sentence, status=422)
    run = _failure(draft, base)
    error, traceback = presentation.error_text(run)
    category, subcategory = presentation.suggest(
        run, list(categories()), before=change.error_code, after=change.fixed_code
    )
    form = NewStepForm(
        initial={
            "error": error,
            "traceback": traceback,
            "category": category,
            "subcategory": subcategory,
            "seconds": request.POST.get("seconds", ""),
        }
        | _lines_of(change, base, code)
    )
    return _step_form(request, draft, base, code, form, suggested=category is not None)


def _lines_of(change: ledger.Replacement, base: Revision, code: str) -> dict[str, int]:
    """Where Error_Code begins and ends; of several places the chosen ones decide that."""
    if len(hunks_of(base.code, code)) > 1:
        return {}
    first = base.code.count("\n", 0, change.start) + 1
    return {"first_line": first, "last_line": first + change.error_code.count("\n")}


def _failure(draft: Draft, base: Revision) -> Run | None:
    """The run that shows what the step mends: the base's own, or else the last that failed."""
    run = queries.run_of(base)
    verdict = presentation.finished_verdict(run)
    if verdict is not None and verdict.outcome != Outcome.UNDECIDED:
        return run
    return queries.last_failed_run(draft, base) or run


def _base(draft: Draft, request: HttpRequest) -> Revision:
    """The revision that the edit began from; the newest when the form names none."""
    number = request.POST.get("base", "")
    revisions = draft.revisions.order_by("-number")
    base = revisions.filter(number=number).first() if number.isdigit() else None
    return base or revisions[0]


def _step_form(
    request: HttpRequest,
    draft: Draft,
    base: Revision,
    code: str,
    form: NewStepForm,
    *,
    suggested: bool = False,
    stale: StaleDraft | None = None,
) -> HttpResponse:
    context = {
        "draft": draft,
        "example": draft.example,
        "dataset": draft.example.dataset,
        "base": base,
        "code": code,
        "change": ledger.propose(base.code, code),
        "form": form,
        "categories": categories(),
        "step_number": draft.steps.count() + 1,
        "suggested": suggested,
        "stale": stale,
        "hunks": hunks_of(base.code, code),
        "lines": base.code.splitlines(),
        "merged": merge(base.code, code, stale.head.code) if stale else None,
        "tab": request.POST.get("tab", ""),
    }
    status = 409 if stale else 422 if form.errors else 200
    htmx = request.htmx  # type: ignore[attr-defined]
    template = "executor/_step_form.html" if htmx else "executor/step_new.html"
    return render(request, template, context, status=status)


def _refused(request: HttpRequest, draft: Draft, sentence: str, *, status: int) -> HttpResponse:
    """A sentence in the sheet, or on the workbench when there is no sheet."""
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "executor/_refused.html", {"sentence": sentence}, status=status)
    messages.error(request, sentence)
    return redirect("workbench", draft.pk)


@require_POST
def step_save(request: HttpRequest, pk: int) -> HttpResponse:
    draft, user, form = _draft(pk), actor_of(request.user), NewStepForm(request.POST)
    url = reverse("workbench", args=[draft.pk])
    base = _base(draft, request)
    code = _code(request, base)
    if not form.is_valid():
        return _step_form(request, draft, base, code, form)
    whole, code = code, _chosen(request, base, code)
    try:
        step = save_step(
            draft, base=base.number, code=code, text=form.text(), lines=form.lines(), by=user
        )
    except StaleDraft as stale:
        if stale.head.code != code:
            return _step_form(request, draft, base, whole, form, stale=stale)
        messages.info(request, f"Revision {stale.head.number} holds this code already.")
    except (StepRefused, transitions.NotAllowed) as refused:
        return _refused(request, draft, str(refused), status=422)
    else:
        url += _keep_the_rest(request, draft, base.number + 1, code, whole)
        request_run(draft.example, code, draft=draft, by=user)
        messages.success(request, f"Step {step.order} was saved as revision {base.number + 1}.")
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _chosen(request: HttpRequest, base: Revision, code: str) -> str:
    """The code with only those of its changes that were chosen for this step."""
    hunks = hunks_of(base.code, code)
    if request.POST.get("hunks") != str(len(hunks)):
        return code
    chosen = {int(value) for value in request.POST.getlist("hunk") if value.isdigit()}
    return with_hunks(base.code, hunks, chosen)


def _keep_the_rest(request: HttpRequest, draft: Draft, base: int, saved: str, whole: str) -> str:
    """Changes that were left out stay as the working copy; the query that shows it."""
    user, tab = actor_of(request.user), request.POST.get("tab", "")[:64] or "form"
    if saved == whole:
        copies.drop(draft, tab, by=user)
        return ""
    copy = copies.keep(draft, copies.Kept(tab, base, whole.replace("\r\n", "\n")), by=user)
    return f"?copy={copy.pk}"


@require_POST
def draft_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Submit, withdraw, approve, return or open again: `do` says which."""
    draft, action = _draft(pk), review.ACTIONS.get(request.POST.get("do", ""))
    if action is None:
        return redirect("workbench", draft.pk)
    request.access.check(action.least)  # type: ignore[attr-defined]
    try:
        review.act(draft, action, text=request.POST.get("text", ""), by=actor_of(request.user))
    except (review.ReviewRefused, transitions.NotAllowed) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, action.said)
    return redirect("workbench", draft.pk)


@require_GET
def revision_detail(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One revision: its code and its verdict."""
    draft = _draft(pk)
    revision = get_object_or_404(draft.revisions, number=number)
    revision.draft = draft
    context = run_context(queries.run_of(revision), draft) | {
        "revision": revision,
        "example": draft.example,
        "dataset": draft.example.dataset,
    }
    return render(request, "executor/revision.html", context)
