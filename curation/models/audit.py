from django.conf import settings
from django.db import models

from curation.models.dataset import Dataset


class AuditEvent(models.Model):
    """Who did what to which record, when. Only ever added to: the database refuses changes."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="Empty when the machine did it",
    )
    action = models.CharField(max_length=50)
    dataset = models.ForeignKey(Dataset, null=True, blank=True, on_delete=models.SET_NULL)
    draft_pk = models.BigIntegerField(
        null=True, blank=True, help_text="The draft that it is about, deleted or not"
    )
    target_type = models.CharField(max_length=50)
    target_id = models.CharField(max_length=50)
    target = models.CharField(max_length=300, help_text="The record's name at that time")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["target_type", "target_id"]),
            models.Index(fields=["draft_pk"]),
            models.Index(fields=["dataset", "id"], name="event_of_dataset"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
