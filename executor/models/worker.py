from django.db import models


class Worker(models.Model):
    """A worker that says every few seconds that it lives, which queues it serves and how safely."""

    name = models.CharField(max_length=200, unique=True, help_text="host:process")
    queues = models.JSONField(default=list)
    concurrency = models.PositiveSmallIntegerField(default=1)
    isolation = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
