"""Experiments: list them, start one, watch it, stop it, look at each translation."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from curation.enums import BatchState, PromptUse
from curation.llm.calls import LlmError
from curation.llm.prompts import PromptRefused
from curation.models import Dataset, Example, LanguageModel
from curation.permissions import access_to, visible
from curation.services.audit import actor_of
from scoring.enums import TranslationState
from scoring.experiment_forms import (
    ConfirmForm,
    ExperimentForm,
    LimitForm,
    PasteForm,
    ReferenceForm,
)
from scoring.experiments import pipeline, planning, queries, services
from scoring.experiments.policy import Choice, Policy, PolicyRefused
from scoring.experiments.prompting import Prompt, prompt_by_hand
from scoring.models import Experiment, Translation

ROWS_PER_PAGE = 50


@require_GET
def experiment_list(request: HttpRequest) -> HttpResponse:
    """All experiments that one may see; `?dataset=SLUG` those of one dataset."""
    datasets = visible(request.user)
    asked = request.GET.get("dataset", "")
    dataset = get_object_or_404(datasets, slug=asked) if asked else None
    found = Experiment.objects.filter(dataset__in=[dataset] if dataset else datasets)
    found = found.select_related("dataset", "batch").order_by("-id")
    context = {
        "page": Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "dataset": dataset,
        "may_lead": dataset is not None and access_to(request.user, dataset).may_lead,
    }
    return render(request, "scoring/experiment_list.html", context)


@require_http_methods(["GET", "POST"])
def experiment_new(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    form = ExperimentForm(
        request.POST or None, dataset=dataset, others=visible(request.user), initial={"samples": 1}
    )
    if request.method == "POST" and form.is_valid():
        try:
            experiment = _create(request, dataset, form)
        except (services.ExperimentRefused, PromptRefused) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The experiment is there. Start it when you are ready.")
            return redirect("experiment-detail", experiment.slug)
    context = {"dataset": dataset, "form": form, "any_model": LanguageModel.objects.exists()}
    status = 422 if form.errors else 200
    return render(request, "scoring/experiment_new.html", context, status=status)


def _create(request: HttpRequest, dataset: Dataset, form: ExperimentForm) -> Experiment:
    data = form.cleaned_data
    names = (
        *("slug", "title", "description", "kind", "context_dataset", "spend_limit", "to_queue"),
        "reference",
    )
    return services.create_experiment(
        dataset,
        settings=form.grid().settings(),
        by=actor_of(request.user),
        **{name: data[name] for name in names},
    )


def _experiment(slug: str) -> Experiment:
    found = Experiment.objects.select_related("dataset", "batch", "context_dataset", "reference")
    return get_object_or_404(found, slug=slug)


@require_GET
def experiment_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; for htmx only what changes while the experiment runs."""
    experiment = _experiment(slug)
    progress = queries.progress_of(experiment)
    translations = Paginator(queries.translations_of(experiment), ROWS_PER_PAGE)
    page = translations.get_page(request.GET.get("page"))
    context = {
        "experiment": experiment,
        "dataset": experiment.dataset,
        "batch": experiment.batch,
        "progress": progress,
        "live": queries.is_live(experiment, progress),
        "page": page,
        "rows": [(each, queries.outcome_of(each)) for each in page.object_list],
        "limit": LimitForm(initial={"spend_limit": experiment.batch.spend_limit}),
        "reference": ReferenceForm(
            experiment=experiment,
            initial={"reference": experiment.reference.name if experiment.reference else ""},
        ),
        "running": experiment.batch.state == BatchState.RUNNING,
    }
    fragment = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    name = "scoring/_experiment_state.html" if fragment else "scoring/experiment.html"
    return render(request, name, context)


@require_POST
def experiment_start(request: HttpRequest, slug: str) -> HttpResponse:
    services.start(_experiment(slug), by=actor_of(request.user))
    return redirect("experiment-detail", slug)


@require_POST
def experiment_stop(request: HttpRequest, slug: str) -> HttpResponse:
    if services.stop(_experiment(slug), by=actor_of(request.user)):
        messages.success(request, "It asks nothing more. Answers under way are still kept.")
    return redirect("experiment-detail", slug)


@require_POST
def experiment_limit(request: HttpRequest, slug: str) -> HttpResponse:
    form = LimitForm(request.POST)
    if form.is_valid():
        limit = form.cleaned_data["spend_limit"]
        services.set_limit(_experiment(slug), limit, by=actor_of(request.user))
        messages.success(request, "The limit is changed." if limit else "There is no limit now.")
    else:
        messages.error(request, f"The limit was not changed. {form.errors['spend_limit'][0]}")
    return redirect("experiment-detail", slug)


@require_POST
def experiment_reference(request: HttpRequest, slug: str) -> HttpResponse:
    experiment = _experiment(slug)
    form = ReferenceForm(request.POST, experiment=experiment)
    if form.is_valid():
        services.set_reference(
            experiment, form.cleaned_data["reference"], by=actor_of(request.user)
        )
        messages.success(request, "Scores that depend on the reference are made anew.")
    else:
        messages.error(request, f"Nothing was changed. {form.errors['reference'][0]}")
    return redirect("experiment-detail", slug)


@require_GET
def translation_detail(request: HttpRequest, pk: int) -> HttpResponse:
    translation = get_object_or_404(pipeline.translations(), pk=pk)
    return render(request, "scoring/translation.html", _context(translation, PasteForm()))


def _context(translation: Translation, form: PasteForm) -> dict[str, object]:
    experiment = translation.setting.experiment
    problem, asked = "", translation.call.messages if translation.call else []
    if not asked:
        try:
            asked = planning.messages_of(translation)  # notes the choice, which is shown
        except (LlmError, PolicyRefused) as error:
            problem = str(error)
    return {
        "translation": translation,
        "experiment": experiment,
        "dataset": experiment.dataset,
        "call": translation.call,
        "prompt": _as_text(asked),
        "problem": problem,
        "outcome": queries.outcome_of(translation),
        "policy": str(Policy.of(translation.setting.context)),
        "form": form,
        "open": translation.state != TranslationState.DRAFTED,
    }


def _as_text(asked: list[dict[str, str]]) -> str:
    """Messages as one text to paste into a chat."""
    return "\n\n".join(message["content"].strip("\n") for message in asked)


@require_POST
def translation_paste(request: HttpRequest, pk: int) -> HttpResponse:
    """Look at the code in a pasted answer, then keep both."""
    translation = get_object_or_404(pipeline.translations(), pk=pk)
    confirmed = "code" in request.POST
    form = (ConfirmForm if confirmed else PasteForm)(request.POST)
    context: dict[str, object] = {"confirm": confirmed}
    if form.is_valid() and confirmed:
        answer, code = form.cleaned_data["answer"], form.cleaned_data["code"]
        try:
            services.paste_answer(
                translation,
                answer=answer.replace("\r\n", "\n"),
                code=code.replace("\r\n", "\n"),
                by=actor_of(request.user),
            )
        except services.ExperimentRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "The answer is kept, and its code is being executed.")
            return redirect("translation-detail", pk)
    elif form.is_valid():
        found = services.look_at_answer(form.cleaned_data["answer"].replace("\r\n", "\n"))
        form = ConfirmForm(initial={"answer": form.cleaned_data["answer"], "code": found.code})
        context |= {"confirm": True, "note": found.note}
    status = 422 if form.errors else 200
    return render(
        request, "scoring/translation.html", _context(translation, form) | context, status=status
    )


@require_POST
def translation_queue(request: HttpRequest, pk: int) -> HttpResponse:
    translation = get_object_or_404(pipeline.translations(), pk=pk)
    try:
        done = services.send_to_queue(translation, by=actor_of(request.user))
    except services.ExperimentRefused as refused:
        messages.error(request, str(refused))
        return redirect("translation-detail", pk)
    assert done.draft is not None
    return redirect("workbench", done.draft.pk)


@require_POST
def translation_anew(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the model once more, at once."""
    translation = get_object_or_404(pipeline.translations(), pk=pk)
    by = actor_of(request.user)
    try:
        services.ask_anew(translation, by=by)
    except services.ExperimentRefused as refused:
        messages.error(request, str(refused))
    else:
        services.start(translation.setting.experiment, by=by)
        messages.success(request, "It is being asked again. The old answer is kept.")
    return redirect("translation-detail", pk)


@require_GET
def translation_context(request: HttpRequest, pk: int) -> HttpResponse:
    """The fixed examples of a translation's prompt, as a file."""
    translation = get_object_or_404(pipeline.translations(), pk=pk)
    experiment = translation.setting.experiment
    try:
        prompt = planning.prompt_of(translation)
    except (LlmError, PolicyRefused) as refused:
        messages.error(request, str(refused))
        return redirect("translation-detail", pk)
    return _download(prompt, f"{experiment.slug}-{translation.example.example_id}-context.json")


def _download(prompt: Prompt, name: str) -> HttpResponse:
    text = prompt.chosen.text if prompt.chosen else "{}"
    response = HttpResponse(text, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_GET
def example_prompt(request: HttpRequest, pk: int) -> HttpResponse:
    """The finished prompt for one program, to be asked by hand; `?file` gives its context."""
    example = get_object_or_404(Example.objects.select_related("dataset"), pk=pk)
    asked = request.GET
    use = PromptUse.STANDARD if asked.get("prompt") == "standard" else PromptUse.AUGMENTED
    choice = Choice.COVER if asked.get("choice") == "cover" else Choice.NEAREST
    keep = int(asked["keep"]) if asked.get("keep", "").isdecimal() else None
    prompt = prompt_by_hand(example, use, choice, keep)
    if "file" in asked:
        return _download(prompt, f"{example.example_id}-context.json")
    context = {
        "example": example,
        "dataset": example.dataset,
        "use": use.value,
        "choice": choice.value,
        "keep": asked.get("keep", ""),
        "chosen": prompt.chosen,
        "prompt": _as_text(prompt.messages),
    }
    return render(request, "scoring/example_prompt.html", context)
