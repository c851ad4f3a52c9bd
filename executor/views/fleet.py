"""The workers, how safely they run programs, and what waits for them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from curation.permissions import visible
from executor import fleet, progress
from executor.enums import RunState
from executor.models import Run

MOST_SHOWN = 50


@require_GET
def fleet_detail(request: HttpRequest) -> HttpResponse:
    runs = (
        Run.objects.filter(example__dataset__in=visible(request.user))
        .exclude(state__in=[RunState.FINISHED, RunState.CANCELLED])
        .select_related("example__dataset")
        .defer("code", "example__pytorch_code")
    )
    running = list(runs.filter(state=RunState.RUNNING).order_by("started_at")[:MOST_SHOWN])
    context = {
        "workers": fleet.living(),
        "queues": fleet.waiting(),
        "running": [(run, progress.progress_of(run)) for run in running],
        "queued": runs.filter(state=RunState.QUEUED).order_by("priority", "queued_at")[:MOST_SHOWN],
    }
    return render(request, "executor/fleet.html", context)
