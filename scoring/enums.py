"""The closed vocabularies of experiments."""

from django.db.models import TextChoices


class ExperimentKind(TextChoices):
    """Where the context of a translation comes from, and what that shows."""

    INTRINSIC = "intrinsic", "Intrinsic: leave one out"
    EXTRINSIC = "extrinsic", "Extrinsic: another dataset"
    ABLATION = "ablation", "Ablation: part of the context"


class TranslationState(TextChoices):
    PLANNED = "planned", "Planned"
    DRAFTED = "drafted", "Drafted"
    NO_CODE = "no_code", "No code in the answer"
    FAILED = "failed", "No answer"


class ExportState(TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Being made"
    FINISHED = "finished", "Ready"
    FAILED = "failed", "Failed"
