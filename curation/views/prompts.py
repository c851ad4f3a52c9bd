"""Prompts: read every version, write the next one."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from curation.enums import PromptUse
from curation.forms import CODE
from curation.llm.prompts import PLACEHOLDERS, PromptRefused, save_version
from curation.models import PromptTemplate, PromptVersion
from curation.permissions import leads_any
from curation.services.audit import actor_of


class PromptForm(forms.Form):
    system = forms.CharField(
        required=False,
        strip=False,
        label="System message",
        widget=forms.Textarea(attrs=CODE | {"rows": 3}),
    )
    text = forms.CharField(
        label="Prompt", strip=False, widget=forms.Textarea(attrs=CODE | {"rows": 28})
    )


@require_GET
def prompt_list(request: HttpRequest) -> HttpResponse:
    versions = PromptVersion.objects.order_by("template__slug", "-number").distinct(
        "template__slug"
    )
    context = {"versions": versions.select_related("template", "created_by")}
    return render(request, "curation/prompt_list.html", context)


@require_http_methods(["GET", "POST"])
def prompt_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """`?version=N` shows an older version; saving makes the next one of what is in the form."""
    template = get_object_or_404(PromptTemplate, slug=slug)
    versions = list(template.versions.select_related("created_by").order_by("-number"))
    asked = request.GET.get("version", "")
    shown = next((each for each in versions if str(each.number) == asked), versions[0])
    may_edit = leads_any(request.user)
    form = PromptForm(request.POST or None, initial={"system": shown.system, "text": shown.text})
    if request.method == "POST":
        if not may_edit:
            raise PermissionDenied("Prompts are changed by those who lead a dataset.")
        if form.is_valid() and (done := _save(request, template, form)):
            messages.success(request, f"Version {done.number} is used from now on.")
            return redirect("prompt-edit", slug)
    context = {
        "template": template,
        "versions": versions,
        "shown": shown,
        "form": form,
        "may_edit": may_edit,
        "placeholders": sorted(PLACEHOLDERS[PromptUse(template.use)]),
    }
    status = 422 if form.errors else 200
    return render(request, "curation/prompt_edit.html", context, status=status)


def _save(request: HttpRequest, template: PromptTemplate, form: PromptForm) -> PromptVersion | None:
    data = form.cleaned_data
    try:
        return save_version(
            template, system=data["system"], text=data["text"], by=actor_of(request.user)
        )
    except PromptRefused as refused:
        form.add_error("text", str(refused))
        return None
