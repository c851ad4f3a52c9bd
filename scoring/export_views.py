"""Exports: what can be taken away, asked for here and made in the background."""

from pathlib import Path

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from curation.models import Attachment, Dataset
from curation.queries import counts_of
from curation.services.audit import actor_of
from scoring.downloads import send_file
from scoring.enums import ExportState
from scoring.export_forms import ExportForm
from scoring.exporters import FORMATS, ExportRefused, Options, make
from scoring.exports import files, services
from scoring.models import ExportJob

SHOWN = 20
# Small and quickly made: these are also sent while they are read, without waiting for a worker.
# Their files are known without asking the exporter, which would count the dataset for their names.
DIRECT = {
    "t2j": (".json",),
    "statistics": ("-statistics.json", "-statistics-fixcost.csv", "-statistics-categories.csv"),
}
_MEDIA_TYPES = {".json": "application/json", ".csv": "text/csv", ".zip": "application/zip"}


@require_http_methods(["GET", "POST"])
def exports(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; for htmx only the list of exports, while some are being made."""
    dataset = get_object_or_404(Dataset, slug=slug)
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.request_export(
                dataset,
                format=form.cleaned_data["format"],
                options=form.options(),
                by=actor_of(request.user),
            )
        except ExportRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The export is being made. Its link appears below.")
            return redirect("dataset-exports", slug)
    context = _jobs(dataset)
    if request.htmx and not request.htmx.boosted:  # type: ignore[attr-defined]
        return render(request, "scoring/_export_jobs.html", context)
    counts = counts_of(dataset)
    context |= {
        "form": form,
        "direct": [_described(dataset, name) for name in DIRECT],
        "funnel": counts.funnel,
        "missing": counts.without_draft,
    }
    return render(request, "scoring/exports.html", context, status=422 if form.errors else 200)


def _jobs(dataset: Dataset) -> dict[str, object]:
    found = dataset.exports.select_related("requested_by", "release").order_by("-id")[:SHOWN]
    jobs = list(found)
    titles = {name: each.title for name, each in FORMATS.items()}
    return {
        "dataset": dataset,
        "jobs": [(job, titles.get(job.format, job.format), _wishes(job)) for job in jobs],
        "live": any(not job.is_over for job in jobs),
    }


def _wishes(job: ExportJob) -> list[str]:
    """What was asked for besides the format, in words."""
    told = job.options
    words = [told.get("only") or "", "leave one out" if told.get("leave_one_out") else ""]
    words.append(f"split by {told['split']}" if told.get("split") else "")
    return [word for word in words if word]


def _described(dataset: Dataset, name: str) -> dict[str, object]:
    files = [f"{dataset.slug}{ending}" for ending in DIRECT[name]]
    if name == "t2j" and Attachment.objects.filter(example__dataset=dataset).exists():
        files.append(f"{dataset.slug}-files.zip")
    return {
        "name": name,
        "title": FORMATS[name].title,
        "files": [(file, _MEDIA_TYPES[Path(file).suffix]) for file in files],
    }


@require_GET
def export_file(request: HttpRequest, slug: str, name: str, file: str) -> StreamingHttpResponse:
    """One file of an export, made while it is sent; options as in the form, `?only=all`."""
    dataset = get_object_or_404(Dataset, slug=slug)
    try:
        found = make(name, dataset, Options.of(request.GET)).files
    except ExportRefused as refused:
        raise Http404(str(refused)) from refused
    wanted = next((each for each in found if each.name == file), None)
    if wanted is None:
        raise Http404(f"There is no export {name} with a file {file}.")
    return StreamingHttpResponse(
        wanted.read(),
        content_type=wanted.media_type,
        headers={"Content-Disposition": f'attachment; filename="{wanted.name}"'},
    )


@require_GET
def export_download(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file of an export that is ready; a broken download is resumed."""
    job = get_object_or_404(ExportJob.objects.select_related("dataset"), pk=pk)
    if job.state != ExportState.FINISHED or not files.path_of(job.path).is_file():
        messages.error(request, "That file is not there: make the export again.")
        return redirect("dataset-exports", job.dataset.slug)
    media_type = "application/zip" if job.path.endswith(".zip") else "application/octet-stream"
    return send_file(request, files.path_of(job.path), tag=job.sha256, media_type=media_type)


@require_POST
def export_delete(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(ExportJob.objects.select_related("dataset"), pk=pk)
    slug = job.dataset.slug
    try:
        services.delete_export(job, by=actor_of(request.user))
    except ExportRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "The export was deleted.")
    return redirect("dataset-exports", slug)
