from django.conf import settings
from django.db import models
from django.db.models import Q

from curation.models import Draft, Example
from curation.models.base import one_of
from executor.enums import Device, Part, Priority, RunState


class Run(models.Model):
    """One candidate program to be executed and compared with its example's reference.

    Keyed by what produces its verdict (code, contract, runtime), so that asking twice gives one
    run, and a working copy that is saved unchanged keeps its verdict.
    """

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="runs")
    draft = models.ForeignKey(
        Draft, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    code = models.TextField(blank=True)
    code_hash = models.CharField(max_length=64)
    contract_hash = models.CharField(
        max_length=64, help_text="Over engine version, reference, contract and attached files"
    )
    runtime = models.CharField(max_length=50)
    runtime_hash = models.CharField(
        max_length=64, blank=True, help_text="Over the packages of both sides' runtimes"
    )
    device = models.CharField(max_length=10, choices=Device.choices, default=Device.CPU)
    state = models.CharField(
        max_length=10, choices=RunState.choices, default=RunState.QUEUED, db_index=True
    )
    priority = models.PositiveSmallIntegerField(default=Priority.BATCH)
    part = models.CharField(max_length=10, choices=Part.choices, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    claim = models.UUIDField(null=True, blank=True, help_text="Which attempt may store the result")
    note = models.CharField(max_length=500, blank=True, help_text="What went wrong with our side")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="Queued, but not before this")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="Its newest message to workers")
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["example", "code_hash", "contract_hash", "runtime", "runtime_hash"],
                name="run_key_unique",
            ),
            models.CheckConstraint(
                condition=~Q(state=RunState.RUNNING)
                | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="run_running_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(state=RunState.FINISHED) | Q(finished_at__isnull=False),
                name="run_finished_has_time",
            ),
            one_of("state", RunState.values, "run_state_known"),
            one_of("device", Device.values, "run_device_known"),
        ]
        indexes = [models.Index(fields=["code_hash", "example"])]

    # Set by executor.queries.mark_stale.
    stale = False

    def __str__(self) -> str:
        return f"run {self.pk} of {self.example}"

    @property
    def is_over(self) -> bool:
        return self.state in (RunState.FINISHED, RunState.CANCELLED)
