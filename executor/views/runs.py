"""One run: its state while it is on its way, its verdict once it is over."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from curation.models import Draft
from curation.services.audit import actor_of
from executor.bench import bench_context, run_context
from executor.models import Run
from executor.services import cancel_run, send_to_cpu


def _run(pk: int) -> Run:
    return get_object_or_404(Run.objects.select_related("verdict", "example__dataset"), pk=pk)


def _draft_of(run: Run, pk: str) -> Draft | None:
    """The draft whose workbench asks, if it is one of the run's example."""
    drafts = Draft.objects.select_related("example__dataset").filter(example=run.example)
    return drafts.filter(pk=pk).first() if pk.isdigit() else None


@require_GET
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The run as a page; for the workbench's polling, the fragment alone."""
    run = _run(pk)
    if not request.htmx:  # type: ignore[attr-defined]
        context = run_context(run, run.draft) | {"dataset": run.example.dataset}
        return render(request, "executor/run.html", context)
    draft = _draft_of(run, request.GET.get("draft", ""))
    context = run_context(run, draft)
    if draft is not None and run.is_over:
        context |= bench_context(draft) | {"live": True}
    return render(request, "executor/_run.html", context)


@require_POST
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run = _run(pk)
    cancel_run(run, by=actor_of(request.user))
    return _changed(request, run)


@require_POST
def run_to_cpu(request: HttpRequest, pk: int) -> HttpResponse:
    """What waits for a GPU worker is done on CPU."""
    run = _run(pk)
    send_to_cpu(run, by=actor_of(request.user))
    return _changed(request, run)


def _changed(request: HttpRequest, run: Run) -> HttpResponse:
    run.refresh_from_db()
    if request.htmx:  # type: ignore[attr-defined]
        draft = _draft_of(run, request.GET.get("draft", "")) or run.draft
        return render(request, "executor/_run.html", run_context(run, draft))
    return redirect("run-detail", run.pk)
