"""Upload files into a dataset: look what they hold, import them; what was taken is run."""

import json
from typing import TYPE_CHECKING

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from curation.importers.base import Options
from curation.importers.code_rows import MOST_SAMPLE
from curation.models import Dataset
from curation.services.audit import actor_of
from executor import import_jobs
from executor.models import ImportJob

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

    Upload = UploadedFile[bytes]

S = ImportJob.State


class ImportForm(forms.Form):
    """What is wanted beside the files."""

    dry_run = forms.BooleanField(required=False)
    sample = forms.IntegerField(
        label="Draw a sample of",
        required=False,
        min_value=1,
        max_value=MOST_SAMPLE,
        help_text="Of rows of code: so many of those that fit. Empty: all.",
    )
    seed = forms.IntegerField(
        required=False, help_text="The same seed draws the same rows.", initial=0
    )
    any_licence = forms.BooleanField(
        label="Rows under any licence", required=False, help_text="Not only permissive ones."
    )

    def options(self) -> Options:
        said = self.cleaned_data
        return Options(said["sample"], said["seed"] or 0, said["any_licence"])


def dataset_import(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    form = ImportForm(request.POST if request.method == "POST" else None)
    context = {"dataset": dataset, "limit": settings.T2J_IMPORT_BYTES, "form": form}
    if request.method != "POST":
        return render(request, "executor/import.html", context)
    files = request.FILES.getlist("files") + request.FILES.getlist("folder")
    if not files or not form.is_valid():
        context["problem"] = "" if files else "No file was chosen."
        return render(request, "executor/import.html", context, status=422)
    job = import_jobs.keep(
        dataset,
        zip(_names(request, files), files, strict=True),
        dry_run=form.cleaned_data["dry_run"],
        options=form.options(),
        by=actor_of(request.user),
    )
    return _begin(request, job)


def import_job(request: HttpRequest, pk: int) -> HttpResponse:
    """How an import goes on, and its report; a POST imports what was looked through."""
    job = get_object_or_404(ImportJob.objects.select_related("dataset"), pk=pk)
    if request.method == "POST" and import_jobs.is_kept(job) and import_jobs.start(job):
        return _begin(request, job)
    return _show(request, job)


def _begin(request: HttpRequest, job: ImportJob) -> HttpResponse:
    """A small import is done at once, a long one waits for a worker."""
    if import_jobs.is_small(job):
        import_jobs.run(job.pk)
        job.refresh_from_db()
        return _show(request, job)
    import_jobs.send(job)
    return redirect("import-job", pk=job.pk)


def _show(request: HttpRequest, job: ImportJob) -> HttpResponse:
    report = job.report if job.state == S.FINISHED else None
    context = {
        "dataset": job.dataset,
        "job": job,
        "report": report,
        "live": job.state in (S.WAITING, S.RUNNING) and not import_jobs.is_lost(job),
        "may_start": import_jobs.is_kept(job),
    }
    if request.htmx:  # type: ignore[attr-defined]
        fragment = render(request, "executor/_import_state.html", context)
        if not context["live"]:
            fragment["HX-Refresh"] = "true"
        return fragment
    refused = request.method == "POST" and report is not None and not report["complete"]
    return render(request, "executor/import_job.html", context, status=422 if refused else 200)


def _names(request: HttpRequest, files: "list[Upload]") -> list[str]:
    """Names with folders where the browser's script sent them along: uploads lose theirs."""
    try:
        paths = json.loads(request.POST.get("paths") or "[]")
    except (ValueError, RecursionError):
        paths = []
    plain = [str(file.name) for file in files]
    told = isinstance(paths, list) and len(paths) == len(files)
    if not told or not all(isinstance(path, str) for path in paths):
        return plain
    ends = (path.rpartition("/")[2] == name for path, name in zip(paths, plain, strict=True))
    return paths if all(ends) else plain
