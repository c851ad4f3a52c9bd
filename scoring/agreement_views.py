"""How far independent repairs of the same drafts agree."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from curation.models import Dataset
from scoring.agreement import agreement_of
from scoring.models import Plan


@require_GET
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    named = Plan.objects.filter(dataset=dataset, names_shown=True).exists()
    context = {"dataset": dataset, "found": agreement_of(dataset, named=named)}
    return render(request, "scoring/agreement.html", context)
