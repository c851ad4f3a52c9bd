from django.conf import settings as conf
from django.db import models
from django.db.models import Q

from curation.models import (
    Call,
    CallBatch,
    Dataset,
    Draft,
    Example,
    LanguageModel,
    PromptVersion,
)
from curation.models.base import one_of
from executor.models import Run
from scoring.enums import ExperimentKind, TranslationState


class Experiment(models.Model):
    """Settings that are tried on the same dataset, to be compared with one another."""

    slug = models.SlugField(unique=True, max_length=64)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=ExperimentKind.choices)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="experiments")
    context_dataset = models.ForeignKey(
        Dataset,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="context_of",
        help_text="Whose fix steps go into augmented prompts",
    )
    reference = models.ForeignKey(
        "Setting",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The setting whose translations are the reference; empty: the fixed code",
    )
    batch = models.OneToOneField(CallBatch, on_delete=models.PROTECT, related_name="experiment")
    to_queue = models.BooleanField(
        default=False, help_text="Drafts go into the dataset's repair queue"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        conf.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(slug=""), name="experiment_slug_not_empty"),
            one_of("kind", ExperimentKind.values, "experiment_kind_known"),
        ]

    def __str__(self) -> str:
        return self.slug


class Setting(models.Model):
    """One column of an experiment: which model is asked, how, with what context."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="settings")
    name = models.SlugField(max_length=64)
    position = models.PositiveIntegerField(default=0)
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="settings")
    prompt = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="settings")
    context = models.JSONField(default=dict, help_text="Which examples the prompt carries")
    runtime = models.CharField(max_length=50)
    samples = models.PositiveSmallIntegerField(default=1, help_text="Translations per example")

    class Meta:
        ordering = ["experiment", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="setting_name_unique"),
            models.CheckConstraint(condition=Q(samples__gte=1), name="setting_samples_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.experiment}/{self.name}"


class Translation(models.Model):
    """One example translated under one setting: what was asked, what came, what it does.

    `draft` is the repair queue's copy. When the code is a revision that a draft holds already,
    `from_revision` is its number, and the draft's later steps are this translation's repair.
    """

    setting = models.ForeignKey(Setting, on_delete=models.CASCADE, related_name="translations")
    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="translations")
    sample = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(
        max_length=10, choices=TranslationState.choices, default=TranslationState.PLANNED
    )
    call = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.PROTECT, related_name="translations"
    )
    context = models.JSONField(default=dict, help_text="Which examples were chosen, and why")
    code = models.TextField(blank=True, help_text="The program in the answer")
    code_hash = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True, help_text="What was left out, is cut off or is missing")
    run = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="translations"
    )
    draft = models.ForeignKey(
        Draft, null=True, blank=True, on_delete=models.SET_NULL, related_name="translations"
    )
    from_revision = models.PositiveIntegerField(
        default=0, help_text="The draft's revision that this code is"
    )

    class Meta:
        ordering = ["setting", "example__position", "example", "sample"]
        constraints = [
            models.UniqueConstraint(
                fields=["setting", "example", "sample"], name="translation_unique"
            ),
            one_of("state", TranslationState.values, "translation_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.setting}/{self.example.example_id}"
