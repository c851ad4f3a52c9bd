from typing import ClassVar

from django.db import models
from django.db.models import Q

from executor.models.run import Run
from executor.parity.outcome import Outcome


class Verdict(models.Model):
    """What the verifier decided about a run: an outcome, where and why, and the evidence."""

    OUTCOMES: ClassVar = [(value.value, value.value.capitalize()) for value in Outcome]

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="verdict")
    outcome = models.CharField(max_length=10, choices=OUTCOMES, db_index=True)
    stage = models.CharField(max_length=12, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    strength = models.FloatField(null=True, blank=True, help_text="Share of impostors rejected")
    seconds = models.FloatField(default=0)
    isolation = models.CharField(max_length=100, blank=True)
    report = models.JSONField(default=dict, help_text="The whole verdict object")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="verdict_form",
                condition=Q(outcome=Outcome.PASS, kind="", reason="")
                | (Q(outcome=Outcome.FAIL, reason="") & ~Q(kind=""))
                | (Q(outcome=Outcome.UNDECIDED, kind="") & ~Q(reason="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} ({self.stage or 'no stage'})"

    @property
    def short(self) -> str:
        """As `Draft.judged` holds it."""
        return f"{self.outcome}/{self.kind}/{self.reason}"
