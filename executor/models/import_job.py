from django.conf import settings
from django.db import models

from curation.models import Dataset
from curation.models.base import one_of


class ImportJob(models.Model):
    """Files that a person brought in the browser: looked through, or imported.

    They are kept in the data folder until they are imported or a day has passed.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="import_jobs")
    folder = models.UUIDField(unique=True, help_text="Where in the data folder the files are")
    names = models.JSONField(default=list, help_text="What the person called them, in order")
    bytes = models.PositiveBigIntegerField(default=0, help_text="Of all files")
    options = models.JSONField(default=dict, blank=True)
    dry_run = models.BooleanField(default=True, help_text="Only say what would happen")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    file = models.TextField(blank=True, help_text="The file that is being read")
    percent = models.PositiveSmallIntegerField(default=0, help_text="Of that file")
    report = models.JSONField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why it did not finish, and what to do")
    alive_at = models.DateTimeField(null=True, blank=True, help_text="When it last did something")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            one_of("state", ["waiting", "running", "finished", "failed"], "import_job_state_known"),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} into {self.dataset}"
