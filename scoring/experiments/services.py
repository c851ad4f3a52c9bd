"""The door for people's writes to experiments."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from curation.enums import BatchState, CallState, PromptUse
from curation.llm.answers import FoundCode, find_code, read_message
from curation.llm.calls import BY_HAND, RECORDED, LlmError, plan
from curation.llm.tokens import tokens_of
from curation.models import Call, CallBatch, Dataset, LanguageModel, PromptVersion
from curation.models.base import sha256
from curation.services.audit import Actor, record
from executor import runtimes
from executor.contracts import runtime_or_default
from scoring import score_tasks
from scoring.enums import ExperimentKind, TranslationState
from scoring.experiments import pipeline, planning
from scoring.experiments.policy import Policy, PolicyRefused, Source
from scoring.experiments.prompting import Prompts
from scoring.judging import begin, purse_of
from scoring.models import Experiment, Setting, Translation
from scoring.tasks import send_experiment


class ExperimentRefused(Exception):
    """Why something was not done; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class SettingPlan:
    """A setting to be: its name, and what is asked of whom."""

    name: str
    model: LanguageModel
    prompt: PromptVersion
    context: Policy = field(default_factory=Policy)
    runtime: str = ""
    samples: int = 1


@transaction.atomic
def create_experiment(
    dataset: Dataset,
    *,
    slug: str,
    title: str,
    kind: ExperimentKind,
    settings: Sequence[SettingPlan],
    description: str = "",
    context_dataset: Dataset | None = None,
    spend_limit: Decimal | None = None,
    to_queue: bool = False,
    reference: str = "",
    by: Actor,
) -> Experiment:
    """An experiment with its settings, not started. `reference` names one of the settings.

    Raises:
        ExperimentRefused: the settings do not go together.
    """
    _check_slug(slug)
    _check(dataset, kind, settings, context_dataset)
    batch = CallBatch.objects.create(
        title=f"Experiment {slug}", spend_limit=spend_limit, created_by=by
    )
    experiment = Experiment.objects.create(
        slug=slug,
        title=title,
        description=description,
        kind=kind,
        dataset=dataset,
        context_dataset=context_dataset,
        batch=batch,
        to_queue=to_queue,
        created_by=by,
    )
    for each in settings:
        add_setting(experiment, each)
    if reference:
        experiment.reference = _setting_named(experiment, reference)
        experiment.save(update_fields=["reference"])
    record("experiment.created", experiment, dataset=dataset, by=by, settings=len(settings))
    return experiment


def _setting_named(experiment: Experiment, name: str) -> Setting:
    found = experiment.settings.filter(name=name).first()
    if found is None:
        known = ", ".join(experiment.settings.values_list("name", flat=True))
        raise ExperimentRefused(
            f"Drafts are held against those of “{name}”, which is none of the settings: {known}. "
            "Choose its model and its prompt, too."
        )
    return found


@transaction.atomic
def set_reference(experiment: Experiment, name: str, *, by: Actor) -> None:
    """Hold drafts against those of the setting `name`; empty: against the dataset's fixed code.

    Scores that depend on it are made anew.

    Raises:
        ExperimentRefused: there is no such setting.
    """
    experiment.reference = _setting_named(experiment, name) if name else None
    experiment.save(update_fields=["reference"])
    record("experiment.reference", experiment, dataset=experiment.dataset, by=by, now=name)


def add_setting(experiment: Experiment, wanted: SettingPlan) -> Setting:
    return Setting.objects.create(
        experiment=experiment,
        name=wanted.name,
        position=experiment.settings.count(),
        model=wanted.model,
        prompt=wanted.prompt,
        context=wanted.context.to_json(),
        runtime=runtime_or_default(wanted.runtime or None),
        samples=wanted.samples,
    )


def _check_slug(slug: str) -> None:
    if not re.fullmatch(r"[-a-zA-Z0-9_]{1,64}", slug):
        raise ExperimentRefused(
            f"“{slug}” cannot be a short name: use up to 64 letters, digits, - and _."
        )
    if Experiment.objects.filter(slug=slug).exists():
        raise ExperimentRefused(f"There is an experiment “{slug}” already.")


def _check(
    dataset: Dataset,
    kind: ExperimentKind,
    settings: Sequence[SettingPlan],
    context_dataset: Dataset | None,
) -> None:
    if not settings:
        raise ExperimentRefused("An experiment needs at least one setting.")
    names = [each.name for each in settings]
    if len(set(names)) < len(names):
        raise ExperimentRefused("Two settings have the same name.")
    if kind == ExperimentKind.EXTRINSIC and context_dataset in (None, dataset):
        raise ExperimentRefused(
            "An extrinsic experiment takes its fix steps from another dataset: choose which."
        )
    if kind == ExperimentKind.ABLATION and not any(each.context.is_narrowed for each in settings):
        raise ExperimentRefused(
            "An ablation leaves something out: choose categories, or how many examples to keep."
        )
    for each in settings:
        _check_runtime(each)
        use, source = each.prompt.template.use, each.context.source
        if use not in (PromptUse.STANDARD, PromptUse.AUGMENTED):
            raise ExperimentRefused(f"{each.name}: “{each.prompt}” is not a prompt to translate.")
        if use == PromptUse.AUGMENTED and source == Source.NONE:
            raise ExperimentRefused(f"{each.name}: an augmented prompt needs a context.")
        if use == PromptUse.STANDARD and source != Source.NONE:
            raise ExperimentRefused(f"{each.name}: a standard prompt takes no context.")
        if source == Source.LOO and context_dataset not in (None, dataset):
            raise ExperimentRefused(
                f"{each.name}: leave-one-out takes its context from the same dataset; choose "
                "“all” for another one."
            )


def _check_runtime(wanted: SettingPlan) -> None:
    try:
        runtime = runtimes.describe(runtime_or_default(wanted.runtime))
    except runtimes.RuntimeUnavailable as error:
        raise ExperimentRefused(f"{wanted.name}: {error}.") from None
    if runtime.side != "candidate":
        raise ExperimentRefused(
            f"{wanted.name}: translations do not run in “{runtime.name}”, which is for references."
        )


@transaction.atomic
def start(experiment: Experiment, *, by: Actor, here: bool = False) -> None:
    """Ask what is open: for the first time, or again after a stop. What was answered is kept.

    With `here` the caller asks; otherwise a worker does.
    """
    batch = CallBatch.objects.select_for_update().get(pk=experiment.batch_id)
    if batch.state != BatchState.RUNNING:
        batch.state, batch.reason = BatchState.RUNNING, ""
        batch.heartbeat_at = timezone.now()
        batch.save(update_fields=["state", "reason", "heartbeat_at"])
        record("experiment.started", experiment, dataset=experiment.dataset, by=by)
    if not here:
        transaction.on_commit(partial(send_experiment, experiment.pk))


@transaction.atomic
def stop(experiment: Experiment, *, by: Actor) -> bool:
    """Ask nothing more; answers under way are still stored. False when it was not running."""
    stopped = _stop(experiment.batch_id, by=by)
    if stopped:
        record("experiment.stopped", experiment, dataset=experiment.dataset, by=by)
    return stopped


def _stop(batch_id: int, *, by: Actor) -> bool:
    """Whether the batch could be stopped: what is over cannot."""
    open_ = CallBatch.objects.filter(pk=batch_id, state__in=[BatchState.RUNNING, BatchState.READY])
    reason = f"Stopped by {by or 'the machine'}."
    return bool(open_.update(state=BatchState.STOPPED, reason=reason))


@transaction.atomic
def request_scores(experiment: Experiment, *, by: Actor) -> None:
    """Have a worker compute what is missing and ask the judges, also those that cost something."""
    begin(experiment)
    record("scores.requested", experiment, dataset=experiment.dataset, by=by)
    transaction.on_commit(partial(score_tasks.send, experiment.pk, paid=True))


@transaction.atomic
def stop_judges(experiment: Experiment, *, by: Actor) -> bool:
    """Ask no judge any more; marks that are there stay. False when they were stopped already."""
    stopped = _stop(purse_of(experiment).pk, by=by)
    if stopped:
        record("judges.stopped", experiment, dataset=experiment.dataset, by=by)
    return stopped


@transaction.atomic
def set_limit(experiment: Experiment, limit: Decimal | None, *, by: Actor) -> None:
    """Change what drafts, and what judges, may spend; None takes the limit away."""
    batch = CallBatch.objects.select_for_update().get(pk=experiment.batch_id)
    was = batch.spend_limit
    purses = [batch.pk, purse_of(experiment).pk]
    CallBatch.objects.filter(pk__in=purses).update(spend_limit=limit)
    experiment.batch.spend_limit = limit
    record(
        "experiment.limit",
        experiment,
        dataset=experiment.dataset,
        by=by,
        was=str(was or ""),
        now=str(limit or ""),
    )


def look_at_answer(answer: str) -> FoundCode:
    """The code in a pasted answer, found as in every other answer."""
    return find_code(read_message(_raw(answer)))


def _raw(answer: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer}
    return {"pasted": True, "choices": [{"message": message, "finish_reason": "stop"}]}


@transaction.atomic
def paste_answer(translation: Translation, *, answer: str, code: str, by: Actor) -> Translation:
    """Keep an answer that a person fetched by hand, and the code that they confirmed in it.

    Raises:
        ExperimentRefused: the translation has its code already, or is being asked for.
    """
    translation = pipeline.translations().select_for_update(of=["self"]).get(pk=translation.pk)
    setting = translation.setting
    if translation.state == TranslationState.DRAFTED:
        raise ExperimentRefused("This translation has its code already.")
    prompts = Prompts(setting.experiment.dataset, setting.experiment.context_dataset)
    try:
        messages = planning.messages_of(translation, prompts)
        call = plan(
            setting.model,
            messages,
            prompt=setting.prompt,
            sample=translation.sample,
            batch=setting.experiment.batch,
            subject=planning.subject_of(translation),
            anew=True,
        )
    except (LlmError, PolicyRefused) as error:
        raise ExperimentRefused(str(error)) from None
    _answer_by_hand(call, messages, answer, by=by)
    call.refresh_from_db()
    translation.call, translation.code, translation.code_hash = call, code, sha256(code)
    translation.state, translation.note = TranslationState.DRAFTED, look_at_answer(answer).note
    translation.save(update_fields=["call", "code", "code_hash", "state", "note", "context"])
    pipeline.execute(translation)
    record(
        "answer.pasted",
        translation,
        dataset=setting.experiment.dataset,
        by=by,
        model=setting.model.name,
    )
    return translation


def _answer_by_hand(call: Call, messages: list[dict[str, str]], answer: str, *, by: Actor) -> None:
    waiting = Call.objects.filter(pk=call.pk, state=CallState.WAITING)
    if not waiting.update(
        state=CallState.ANSWERED,
        raw=_raw(answer),
        text=answer,
        finish_reason="stop",
        answered_at=timezone.now(),
        pasted_by=by,
        prompt_tokens=sum(tokens_of(message["content"]) for message in messages),
        completion_tokens=tokens_of(answer),
        cost=Decimal(0),
    ):
        raise ExperimentRefused("The model is being asked for this right now. Stop it first.")


@transaction.atomic
def ask_anew(translation: Translation, *, by: Actor) -> Translation:
    """Ask a model once more what it has answered already, and pay for it. Old answers are kept.

    The translation waits for the new one; start its experiment to get it.

    Raises:
        ExperimentRefused: there is no answer yet, or the model would say the same.
    """
    translation = pipeline.translations().select_for_update(of=["self"]).get(pk=translation.pk)
    setting = translation.setting
    if translation.state == TranslationState.PLANNED:
        raise ExperimentRefused("This was not answered yet: start the experiment to ask it.")
    if setting.model.base_url.startswith((RECORDED, BY_HAND)):
        raise ExperimentRefused(f"{setting.model.name} is not asked over a network.")
    prompts = Prompts(setting.experiment.dataset, setting.experiment.context_dataset)
    try:
        call = plan(
            setting.model,
            planning.messages_of(translation, prompts),
            prompt=setting.prompt,
            sample=translation.sample,
            batch=setting.experiment.batch,
            subject=planning.subject_of(translation),
            anew=True,
        )
    except (LlmError, PolicyRefused) as error:
        raise ExperimentRefused(str(error)) from None
    was = translation.call_id
    Translation.objects.filter(pk=translation.pk).update(
        call=call,
        context=translation.context,
        state=TranslationState.PLANNED,
        code="",
        code_hash="",
        note="",
        run=None,
        draft=None,
        from_revision=0,
    )
    dataset = setting.experiment.dataset
    record("translation.anew", translation, dataset=dataset, by=by, was=was, now=call.pk)
    translation.refresh_from_db()
    return translation


@transaction.atomic
def send_to_queue(translation: Translation, *, by: Actor) -> Translation:
    """Put a translation's draft into its dataset's repair queue; one that is there stays.

    Raises:
        ExperimentRefused: there is no code to repair.
    """
    translation = pipeline.translations().select_for_update(of=["self"]).get(pk=translation.pk)
    if translation.state != TranslationState.DRAFTED:
        raise ExperimentRefused("There is no code to repair: the answer holds none.")
    if translation.draft is None:
        translation.draft = pipeline.queue(translation)
        translation.save(update_fields=["draft"])
        dataset = translation.example.dataset
        record("translation.queued", translation, dataset=dataset, by=by)
    return translation
