"""Releases: the list, one of them, the difference between two, an experiment on one."""

from pathlib import Path

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from curation.importers.snapshots import SnapshotRefused
from curation.models import Dataset
from curation.services.audit import actor_of
from scoring.downloads import send_file
from scoring.enums import ExportState
from scoring.export_forms import ReleaseForm
from scoring.exporters import ExportRefused
from scoring.exports import files, services
from scoring.models import Release
from scoring.snapshots import compare as snapshots

# Examples of each kind that a page of differences names.
SHOWN = 200


@require_http_methods(["GET", "POST"])
def releases(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    form = ReleaseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.request_release(dataset, by=actor_of(request.user), **form.cleaned_data)
        except ExportRefused as refused:
            form.add_error("version", str(refused))
        else:
            messages.success(request, "The release is being made.")
            return redirect("dataset-releases", slug)
    jobs = list(dataset.exports.exclude(version="").filter(release=None).order_by("-id")[:5])
    context = {
        "dataset": dataset,
        "form": form,
        "releases": dataset.releases.select_related("created_by").order_by("-id"),
        "jobs": jobs,
        "live": any(job.state in (ExportState.QUEUED, ExportState.RUNNING) for job in jobs),
    }
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "scoring/_release_list.html", context)
    return render(request, "scoring/releases.html", context, status=422 if form.errors else 200)


def _release(pk: int) -> Release:
    return get_object_or_404(Release.objects.select_related("dataset", "created_by"), pk=pk)


@require_GET
def release(request: HttpRequest, pk: int) -> HttpResponse:
    found = _release(pk)
    others = found.dataset.releases.exclude(pk=pk).order_by("-id")
    context = {
        "release": found,
        "dataset": found.dataset,
        "others": others,
        "before": others.filter(pk__lt=pk).first(),
        "files": sorted(found.files.items()),
    }
    return render(request, "scoring/release.html", context)


@require_GET
def download(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = _release(pk)
    path = files.path_of(found.path)
    if not path.is_file():
        messages.error(request, f"The file of this release is missing on the server: {found.path}.")
        return redirect("release-detail", pk)
    return send_file(request, path, tag=found.sha256, media_type="application/zip")


@require_GET
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed from the release `?from=` to the release `?to=` (versions)."""
    dataset = get_object_or_404(Dataset, slug=slug)
    known = {each.version: each for each in dataset.releases.order_by("-id")}
    before, after = (known.get(request.GET.get(name, "")) for name in ("from", "to"))
    context = {
        "dataset": dataset,
        "releases": list(known.values()),
        "before": before,
        "after": after,
        "shown": SHOWN,
    }
    if before is not None and after is not None:
        paths = [files.path_of(each.path) for each in (before, after)]
        if missing := [path.name for path in paths if not path.is_file()]:
            messages.error(request, f"Missing on the server: {', '.join(missing)}.")
        else:
            context["difference"] = _difference(*paths)
    return render(request, "scoring/release_compare.html", context)


def _difference(before: Path, after: Path) -> snapshots.Difference:
    return snapshots.compare(before, after)


@require_POST
def experiment(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a new experiment on a release, restored as a dataset of its own."""
    try:
        base = services.base_dataset(_release(pk), by=actor_of(request.user))
    except (ExportRefused, SnapshotRefused) as refused:
        messages.error(request, str(refused))
        return redirect("release-detail", pk)
    return redirect("experiment-new", base.slug)
