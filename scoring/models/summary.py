"""What dashboards read: a dataset's plan, and counts kept ready so that size does not matter."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from curation.models import Dataset, Draft


class Plan(models.Model):
    """What a lead wants of a dataset, and whether dashboards may name people."""

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="plan")
    approved_wanted = models.PositiveIntegerField(
        null=True, blank=True, help_text="Drafts to be approved; empty: all there are"
    )
    due = models.DateField(null=True, blank=True, help_text="By when")
    names_shown = models.BooleanField(
        default=False, help_text="Dashboards name the people whose work they count"
    )

    def __str__(self) -> str:
        return f"plan of {self.dataset}"


class Published(models.Model):
    """Figures that others published, laid beside one dashboard of a dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="published")
    board = models.SlugField(max_length=30)
    name = models.CharField(max_length=40, help_text="Whose they are: it heads their columns")
    source = models.CharField(max_length=300, help_text="Where they stand")
    rows = models.JSONField(help_text="Labels and figures of each row")

    class Meta:
        verbose_name_plural = "published figures"
        constraints = [
            models.UniqueConstraint(fields=["dataset", "board"], name="published_once_a_board")
        ]

    def __str__(self) -> str:
        return f"{self.name} beside {self.board} of {self.dataset}"


class Summary(models.Model):
    """When a dataset was last counted, and of which state: see scoring.summaries."""

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, related_name="summary")
    stamp = models.CharField(max_length=200, help_text="What the counts rest on")
    drafts = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="How long counting took")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "summaries"

    def __str__(self) -> str:
        return f"summary of {self.dataset}"


class DraftFact(models.Model):
    """What is known of one draft: a row of the last count.

    Its draft may be gone since then; nothing cascades here, for a deleted draft is kept with all
    that belongs to it, and counts do not belong to it.
    """

    draft = models.OneToOneField(
        Draft, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    difficulty = models.CharField(max_length=10)
    model = models.CharField(max_length=200)
    status = models.CharField(max_length=10)
    outcome = models.CharField(max_length=10, help_text="Of the newest revision; none: not run")
    stage = models.CharField(max_length=12)
    kind = models.CharField(max_length=40)
    reason = models.CharField(max_length=40)
    freshness = models.CharField(max_length=10)
    judged_in = models.CharField(max_length=7, help_text="Year and month of that verdict")
    executed = models.BooleanField(help_text="Some revision has a verdict")
    steps = models.PositiveIntegerField()
    behaviour_steps = models.PositiveIntegerField()
    passed_after = models.PositiveIntegerField(
        null=True, help_text="Steps until the first revision that passes"
    )

    def __str__(self) -> str:
        return f"facts of draft {self.draft_id}"


class Tally(models.Model):
    """How many rows of a dataset share these keys; what they mean depends on the measure."""

    dataset = models.ForeignKey(
        Dataset, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    measure = models.CharField(max_length=20)
    difficulty = models.CharField(max_length=10)
    model = models.CharField(max_length=200)
    keys = ArrayField(models.CharField(max_length=100))
    number = models.BigIntegerField()
    seconds = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        indexes = [models.Index(fields=["dataset", "measure"], name="tally_by_measure")]

    def __str__(self) -> str:
        return f"{self.measure} {self.keys}: {self.number}"
