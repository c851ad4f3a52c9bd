"""One example: its reference and attachments, its drafts, and a draft pasted by hand."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from curation.enums import PromptKind, Role
from curation.forms import ConfirmedDraftForm, DraftForm
from curation.llm.extraction import extract_code
from curation.models import Example, Revision
from curation.services.audit import actor_of
from curation.services.datasets import set_contract
from curation.services.drafts import add_draft
from executor import batch, draft_list
from executor.forms import ContractForm, contract_as_filled
from executor.parity.contract import ContractError
from executor.services import request_run


def _example(pk: int) -> Example:
    return get_object_or_404(Example.objects.select_related("dataset"), pk=pk)


@require_GET
def example_detail(request: HttpRequest, pk: int) -> HttpResponse:
    example = _example(pk)
    drafts = draft_list.drafts_of(example.dataset).filter(example=example)
    context = {
        "dataset": example.dataset,
        "example": example,
        "attachments": example.attachments.defer("content"),
        "drafts": draft_list.with_runs(drafts),
    }
    return render(request, "executor/example.html", context)


def draft_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Paste an answer, look at the code found in it, then add both as a draft."""
    example = _example(pk)
    context: dict[str, Any] = {"dataset": example.dataset, "example": example}
    if request.method != "POST":
        return render(request, "executor/draft_new.html", context | {"form": DraftForm()})
    confirmed = "code" in request.POST
    form = (ConfirmedDraftForm if confirmed else DraftForm)(request.POST)
    if not form.is_valid():
        context |= {"form": form, "confirm": confirmed}
        return render(request, "executor/draft_new.html", context, status=422)
    if not confirmed:
        found = extract_code(form.cleaned_data["raw_answer"])
        filled = ConfirmedDraftForm(initial=form.cleaned_data | {"code": found.code})
        context |= {"form": filled, "confirm": True, "note": found.note}
        return render(request, "executor/draft_new.html", context)
    return _add(request, example, form)


def _add(request: HttpRequest, example: Example, form: DraftForm) -> HttpResponse:
    data, user = form.cleaned_data, actor_of(request.user)
    code = data["code"].replace("\r\n", "\n")
    draft = add_draft(
        example,
        raw_answer=data["raw_answer"],
        code=code,
        role=Role(data["role"]),
        model=data["model"],
        prompt_kind=PromptKind(data["prompt_kind"]),
        by=user,
    )
    request_run(example, code, draft=draft, by=user)
    messages.success(request, "The draft was added and is being run.")
    return redirect("workbench", draft.pk)


@require_http_methods(["GET", "POST"])
def contract_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What is observed of an example: look at it, change it, or leave it to recognition."""
    example = _example(pk)
    context: dict[str, Any] = {"dataset": example.dataset, "example": example}
    if request.method == "POST" and "recognise" in request.POST:
        return _agree(request, example, None)
    if request.method == "POST":
        form = ContractForm(request.POST)
        if form.is_valid():
            return _agree(request, example, form.cleaned_data["contract"].to_json())
        return render(request, "executor/contract.html", context | {"form": form}, status=422)
    try:
        form = ContractForm(initial=contract_as_filled(example))
    except ContractError as error:
        form = ContractForm()
        context["problem"] = str(error)
    return render(request, "executor/contract.html", context | {"form": form})


def _agree(request: HttpRequest, example: Example, contract: dict[str, Any] | None) -> HttpResponse:
    """Store the contract; verdicts under the old one are stale, so every revision runs again."""
    user = actor_of(request.user)
    set_contract(example, contract, by=user)
    revisions = Revision.objects.filter(draft__example=example, draft__example__not_runnable="")
    runs = batch.request_runs(list(revisions.select_related("draft__example__dataset")), by=user)
    messages.success(request, f"The contract is stored; {len(runs)} revisions run under it.")
    return redirect("example-detail", example.pk)
