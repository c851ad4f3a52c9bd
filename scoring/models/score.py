from django.db import models
from django.db.models import Q

from curation.models import Call
from scoring.models.experiment import Setting, Translation


class Signature(models.Model):
    """How numbers were made: metric and version, its settings, judge, prompt, runtime."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    content = models.JSONField()

    def __str__(self) -> str:
        return f"{self.content.get('metric')} {self.sha256[:12]}"


class Score(models.Model):
    """One number about a translation, or the reason why there is none.

    The row of a measure is replaced when what it was computed from (`inputs`) or how
    (`signature`) changes.
    """

    setting = models.ForeignKey(Setting, on_delete=models.CASCADE, related_name="scores")
    translation = models.ForeignKey(Translation, on_delete=models.CASCADE, related_name="scores")
    other = models.ForeignKey(
        Translation,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="scores_as_other",
        help_text="What it is compared with",
    )
    metric = models.CharField(max_length=40)
    measure = models.CharField(max_length=40)
    judge = models.CharField(max_length=100, blank=True, help_text="The model that judged")
    repeat = models.PositiveSmallIntegerField(default=0)
    value = models.FloatField(null=True, blank=True)
    why = models.CharField(max_length=300, blank=True, help_text="Why there is no number")
    detail = models.JSONField(default=dict)
    inputs = models.CharField(max_length=64, help_text="SHA-256 of what was scored")
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="scores")
    call = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.SET_NULL, related_name="scores"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["setting", "translation", "measure", "judge", "repeat"]
        constraints = [
            models.UniqueConstraint(
                fields=["translation", "other", "measure", "judge", "repeat"],
                name="score_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False) | ~Q(why=""), name="score_without_value_says_why"
            ),
        ]
        indexes = [
            # Tables read nothing but this index, in its order.
            models.Index(
                fields=["setting", "measure", "judge", "translation"],
                include=["value"],
                name="score_by_translation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.translation} {self.measure} {self.value}"
