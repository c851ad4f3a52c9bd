from typing import ClassVar

from django.db import models

from curation.models import Example
from curation.models.base import one_of


class Measurement(models.Model):
    """How long one program took on one machine: the newest row of a key is what counts.

    Seconds are medians over `repetitions`, which holds each one; all are null unless `outcome` is
    "ok". `executor.parity.run_times.Repetition` says what each number is.
    """

    SIDES: ClassVar = [("reference", "Reference"), ("candidate", "Candidate")]
    KINDS: ClassVar = [("program", "Whole program"), ("module", "Forward pass of a module")]

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="measurements")
    side = models.CharField(max_length=10, choices=SIDES)
    code_hash = models.CharField(max_length=64)
    contract_hash = models.CharField(max_length=64, help_text="As a run's: another one is stale")
    runtime = models.CharField(max_length=50)
    device = models.CharField(max_length=10, default="cpu")
    kind = models.CharField(max_length=10, choices=KINDS)
    outcome = models.CharField(max_length=20, help_text='"ok", "error" or how the box ended')
    message = models.CharField(max_length=600, blank=True)
    limit_s = models.FloatField()
    wall_s = models.FloatField(null=True, blank=True)
    cpu_s = models.FloatField(null=True, blank=True)
    compile_s = models.FloatField(null=True, blank=True)
    steady_s = models.FloatField(null=True, blank=True)
    peak_memory_mb = models.FloatField(null=True, blank=True)
    repetitions = models.JSONField(default=list, blank=True)
    machine = models.CharField(max_length=200)
    isolation = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            one_of("side", ["reference", "candidate"], "measurement_side_known"),
            models.CheckConstraint(
                condition=~models.Q(outcome="ok")
                | models.Q(wall_s__isnull=False, steady_s__isnull=False, cpu_s__isnull=False),
                name="measurement_ok_has_times",
            ),
        ]
        indexes = [models.Index(fields=["example", "code_hash", "runtime", "device"])]

    def __str__(self) -> str:
        return f"{self.side} of {self.example} on {self.runtime}: {self.outcome}"
