"""Delete examples and drafts, and bring them back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from curation.models import Dataset, Draft, Example, Trash
from curation.services import trash
from curation.services.audit import actor_of


@require_POST
def example_delete(request: HttpRequest, pk: int) -> HttpResponse:
    example = get_object_or_404(Example.objects.select_related("dataset"), pk=pk)
    trash.delete(example, by=actor_of(request.user))
    messages.success(request, f"{example.example_id} was deleted. It can be brought back here.")
    return redirect("dataset-trash", example.dataset.slug)


@require_POST
def draft_delete(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Draft.objects.select_related("example__dataset"), pk=pk)
    trash.delete(draft, by=actor_of(request.user))
    messages.success(request, "The draft was deleted. It can be brought back here.")
    return redirect("dataset-trash", draft.example.dataset.slug)


@require_GET
def dataset_trash(request: HttpRequest, slug: str) -> HttpResponse:
    """What was deleted from a dataset."""
    dataset = get_object_or_404(Dataset, slug=slug)
    kept = dataset.trash.defer("content").select_related("deleted_by")
    return render(request, "curation/trash.html", {"dataset": dataset, "kept": kept})


@require_POST
def trash_restore(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(Trash.objects.select_related("dataset"), pk=pk)
    try:
        trash.bring_back(kept, by=actor_of(request.user))
    except trash.TrashRefused as refused:
        messages.error(request, str(refused))
        return redirect("dataset-trash", kept.dataset.slug)
    messages.success(request, f"{kept.name} is back as it was.")
    return redirect("dataset-detail", kept.dataset.slug)
