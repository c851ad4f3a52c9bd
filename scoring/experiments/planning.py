"""From an experiment's settings to its translations and the calls that make them."""

from curation.llm.calls import BY_HAND, LlmError, plan
from curation.llm.prompts import Messages
from curation.models import Example
from scoring.enums import TranslationState
from scoring.experiments.policy import Policy
from scoring.experiments.prompting import Prompt, Prompts
from scoring.models import Experiment, Setting, Translation


def plan_translations(experiment: Experiment) -> None:
    """Every translation that the settings ask for, each with its call; done twice, it adds nothing.

    A translation whose prompt cannot be made fails, and says why.
    """
    prompts = Prompts(experiment.dataset, experiment.context_dataset)
    settings = experiment.settings.select_related("model", "prompt__template", "experiment")
    for setting in settings:
        _add_missing(setting)
        open_ = setting.translations.filter(
            state__in=[TranslationState.PLANNED, TranslationState.FAILED]
        )
        for translation in open_.select_related("example__dataset", "call"):
            translation.setting = setting
            _plan_one(translation, prompts)


def subject_of(translation: Translation) -> str:
    """What a translation's call is about, as recordings name it."""
    example = translation.example.example_id
    return f"draft/{translation.setting.name}/{example}/{translation.sample}"


def messages_of(translation: Translation, prompts: Prompts | None = None) -> Messages:
    """The messages of its prompt; the choice of its context is noted in the translation.

    Raises:
        LlmError, PolicyRefused: the prompt cannot be made.
    """
    prompt = prompt_of(translation, prompts)
    translation.context = prompt.chosen.to_json() if prompt.chosen else {}
    return prompt.messages


def prompt_of(translation: Translation, prompts: Prompts | None = None) -> Prompt:
    """The prompt of a translation; `prompts` is given where many of one experiment are made.

    Raises:
        LlmError, PolicyRefused: the prompt cannot be made.
    """
    setting = translation.setting
    experiment = setting.experiment
    made = prompts or Prompts(experiment.dataset, experiment.context_dataset)
    policy = Policy.of(setting.context)
    return made.prompt(translation.example, setting.prompt, policy, setting.model)


def _add_missing(setting: Setting) -> None:
    wanted = Example.objects.filter(dataset=setting.experiment.dataset, not_runnable="")
    known = set(setting.translations.values_list("example_id", "sample"))
    Translation.objects.bulk_create(
        (
            Translation(setting=setting, example_id=example, sample=sample)
            for example in wanted.values_list("pk", flat=True)
            for sample in range(setting.samples)
            if (example, sample) not in known
        ),
        ignore_conflicts=True,
    )


def _plan_one(translation: Translation, prompts: Prompts) -> None:
    setting = translation.setting
    if setting.model.base_url.startswith(BY_HAND):
        return
    was_failed = translation.state == TranslationState.FAILED
    if translation.call_id is not None and not was_failed:
        return
    try:
        messages = messages_of(translation, prompts)
        translation.call = plan(
            setting.model,
            messages,
            prompt=setting.prompt,
            sample=translation.sample,
            batch=setting.experiment.batch,
            subject=subject_of(translation),
        )
    except LlmError as error:
        translation.state, translation.note = TranslationState.FAILED, str(error)
        translation.save(update_fields=["state", "note"])
        return
    translation.state, translation.note = TranslationState.PLANNED, ""
    translation.save(update_fields=["state", "note", "call", "context"])
