"""What people fill in about experiments."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings as site

from curation.enums import ModelRole, PromptUse
from curation.forms import CODE
from curation.models import Category, Dataset, LanguageModel
from executor import runtimes
from scoring.enums import ExperimentKind
from scoring.experiments.grid import Grid, keeps_of, name_of, source_of
from scoring.experiments.policy import Choice, Policy, PolicyRefused
from scoring.models import Experiment

PROMPTS = ((PromptUse.STANDARD.value, "Standard"), (PromptUse.AUGMENTED.value, "Augmented"))
FIXED_CODE = "the dataset's fixed code"
CHOICES = (
    (Choice.NEAREST.value, "The most similar programs"),
    (Choice.COVER.value, "The most kinds of bugs"),
)


class LimitForm(forms.Form):
    spend_limit = forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=8,
        label="Spend limit",
        help_text="In the currency of the models' prices. Nothing is asked that might pass it.",
    )


class ReferenceForm(forms.Form):
    reference = forms.ChoiceField(required=False, label="Drafts are held against")

    def __init__(self, *args: Any, experiment: Experiment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = experiment.settings.values_list("name", flat=True)
        own = [(name, f"the drafts of {name}") for name in names]
        fields: dict[str, Any] = self.fields
        fields["reference"].choices = [("", FIXED_CODE), *own]


class ExperimentForm(LimitForm):
    """An experiment over a dataset: every chosen model with every chosen prompt."""

    title = forms.CharField(max_length=200)
    slug = forms.SlugField(
        max_length=64, label="Short name", help_text="For addresses, commands and file names."
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    kind = forms.ChoiceField(choices=ExperimentKind.choices)
    context_dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        required=False,
        label="Fix steps come from",
        empty_label="This dataset, leaving one out",
    )
    models = forms.ModelMultipleChoiceField(
        LanguageModel.objects.none(), widget=forms.CheckboxSelectMultiple
    )
    prompts = forms.MultipleChoiceField(choices=PROMPTS, widget=forms.CheckboxSelectMultiple)
    choice = forms.ChoiceField(
        choices=CHOICES, label="When not all fixed examples fit, or only some are wanted, take"
    )
    keep = forms.CharField(
        required=False,
        max_length=100,
        label="At most so many examples",
        help_text="Empty: all that fit. Several, like 0, 5, all: a setting for each.",
    )
    budget = forms.IntegerField(
        required=False,
        min_value=1,
        label="At most so many tokens",
        help_text="Empty: what the model leaves",
    )
    without = forms.ModelMultipleChoiceField(
        Category.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Leave out steps of",
    )
    each_alone = forms.BooleanField(
        required=False,
        label="Leave out each of them alone: a setting for each, beside the whole context",
    )
    reference = forms.ChoiceField(
        required=False,
        label="Drafts are held against",
        help_text="What CodeBLEU and the judges take as the right translation.",
    )
    samples = forms.IntegerField(
        initial=1, min_value=1, max_value=100, label="Translations per program"
    )
    runtime = forms.ChoiceField(label="Execute in")
    to_queue = forms.BooleanField(required=False, label="Put every draft into the repair queue")

    def __init__(
        self, *args: Any, dataset: Dataset, others: Iterable[Dataset], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        ids = [each.pk for each in others if each.pk != dataset.pk]
        fields: dict[str, Any] = self.fields
        fields["context_dataset"].queryset = Dataset.objects.filter(pk__in=ids)
        models = LanguageModel.objects.filter(enabled=True).exclude(role=ModelRole.JUDGE)
        fields["models"].queryset = models
        fields["reference"].choices = _references(models)
        fields["runtime"].choices = [(name, name) for name in _runtimes()]
        fields["runtime"].initial = site.T2J_DEFAULT_RUNTIME

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if Experiment.objects.filter(slug=slug).exists():
            raise forms.ValidationError(f"There is an experiment “{slug}” already.")
        return slug

    def clean_keep(self) -> tuple[int | None, ...]:
        try:
            return keeps_of(self.cleaned_data["keep"])
        except PolicyRefused as refused:
            raise forms.ValidationError(str(refused)) from None

    def grid(self) -> Grid:
        """Every chosen model with every chosen prompt."""
        data = self.cleaned_data
        source = source_of(other_dataset=data["context_dataset"] is not None)
        return Grid(
            models=list(data["models"]),
            uses=[PromptUse(use) for use in data["prompts"]],
            context=Policy(source, Choice(data["choice"]), data["budget"]),
            keeps=data["keep"],
            without=[category.name for category in data["without"]],
            each_alone=data["each_alone"],
            runtime=data["runtime"],
            samples=data["samples"],
        )


def _references(models: Iterable[LanguageModel]) -> Sequence[tuple[str, str]]:
    """The fixed code, or the drafts of a model under a prompt (the paper: the costly one's)."""
    own = [
        (name_of(model, PromptUse(use)), f"the drafts of {model.name}, {title.lower()} prompt")
        for model in models
        for use, title in PROMPTS
    ]
    return [("", FIXED_CODE), *own]


def _runtimes() -> list[str]:
    """Installed runtimes that candidates can run in; a GPU's is chosen by the contract."""
    described = [runtimes.describe(name) for name in runtimes.names()]
    return [
        each.name
        for each in described
        if each.side == "candidate" and not each.gpu_variant_of and each.python.exists()
    ]


class PasteForm(forms.Form):
    """An answer fetched by hand."""

    answer = forms.CharField(
        label="The model's whole answer",
        strip=False,
        help_text="Prose and code fences may stay in: the code is taken out and shown to you.",
        widget=forms.Textarea(attrs=CODE | {"rows": 12}),
    )


class ConfirmForm(PasteForm):
    answer = forms.CharField(strip=False, widget=forms.HiddenInput())
    code = forms.CharField(
        label="The code in it",
        strip=False,
        help_text="This is what will be executed. Change it only where the extraction went wrong.",
        widget=forms.Textarea(attrs=CODE | {"rows": 16}),
    )
