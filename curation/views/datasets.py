"""Datasets: list them, start one, add a program."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET

from curation import queries
from curation.enums import Difficulty
from curation.forms import DatasetForm, ExampleForm
from curation.models import Attachment, Dataset
from curation.permissions import visible
from curation.services.audit import actor_of
from curation.services.datasets import add_example, create_dataset


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    rows = queries.dataset_rows(visible(request.user))
    return render(request, "curation/dataset_list.html", {"rows": rows})


def dataset_new(request: HttpRequest) -> HttpResponse:
    form = DatasetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        dataset = create_dataset(**form.cleaned_data, by=actor_of(request.user))
        messages.success(request, f"{dataset.title} is there. Now bring its programs in.")
        return redirect("dataset-import", dataset.slug)
    status = 422 if form.errors else 200
    return render(request, "curation/dataset_new.html", {"form": form}, status=status)


def example_new(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    form = ExampleForm(request.POST or None, dataset=dataset)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data | {"difficulty": Difficulty(form.cleaned_data["difficulty"])}
        example = add_example(dataset, **fields, by=actor_of(request.user))
        messages.success(request, f"{example.example_id} was added. Now paste a draft of it.")
        return redirect("example-detail", example.pk)
    status = 422 if form.errors else 200
    context = {"dataset": dataset, "form": form}
    return render(request, "curation/example_new.html", context, status=status)


@require_GET
def attachment(request: HttpRequest, pk: int) -> HttpResponse:
    """The attached file as a download: never shown in place, whatever it holds."""
    file = get_object_or_404(Attachment, pk=pk)
    response = HttpResponse(bytes(file.content), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return response
