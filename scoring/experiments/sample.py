"""The experiment that is shipped: recorded answers of our own writing, real executions."""

from typing import TypedDict

from curation.enums import ModelRole, PromptUse
from curation.llm.prompts import current, load_shipped
from curation.models import Dataset, LanguageModel
from scoring.enums import ExperimentKind
from scoring.experiments import services
from scoring.experiments.pipeline import Work
from scoring.experiments.policy import Policy, Source
from scoring.experiments.queries import is_drafted
from scoring.models import Experiment

SLUG = "sample"
RECORDING = "recorded:sample"


class _Fields(TypedDict):
    role: ModelRole
    model_id: str


MODELS: dict[str, _Fields] = {
    "sample-cheap": {"role": ModelRole.CHEAP, "model_id": "recorded-cheap"},
    "sample-costly": {"role": ModelRole.COSTLY, "model_id": "recorded-costly"},
    "sample-judge": {"role": ModelRole.JUDGE, "model_id": "recorded-judge"},
}
DESCRIPTION = (
    "Shows what an experiment looks like without asking anyone. The answers, of drafting models "
    "and of the judge, were written for this product by rule; they say nothing about any model. "
    "What the drafts do when they are executed, and how they compare as code, is measured."
)


def load(dataset: Dataset) -> Experiment:
    """The sample experiment with every recorded draft taken over; nothing is done twice."""
    load_shipped()
    models = {
        name: LanguageModel.objects.get_or_create(
            name=name, defaults={**fields, "base_url": RECORDING, "context_window": 1_000_000}
        )[0]
        for name, fields in MODELS.items()
    }
    experiment = Experiment.objects.filter(slug=SLUG).select_related("batch", "dataset").first()
    if experiment is None:
        experiment = services.create_experiment(
            dataset,
            slug=SLUG,
            title="Sample experiment (recorded answers)",
            description=DESCRIPTION,
            kind=ExperimentKind.INTRINSIC,
            settings=[
                _setting("cheap", PromptUse.STANDARD, models),
                _setting("cheap", PromptUse.AUGMENTED, models),
                _setting("costly", PromptUse.STANDARD, models),
                _setting("costly", PromptUse.AUGMENTED, models),
            ],
            by=None,
        )
    if not is_drafted(experiment):
        services.start(experiment, by=None, here=True)
        Work(experiment).run()
    return experiment


def _setting(role: str, use: PromptUse, models: dict[str, LanguageModel]) -> services.SettingPlan:
    context = Policy(Source.LOO) if use == PromptUse.AUGMENTED else Policy()
    return services.SettingPlan(
        f"{role}-{use.value}", models[f"sample-{role}"], current(use), context
    )
