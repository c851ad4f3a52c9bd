"""Exports that are made in the background, and releases: snapshots that are kept for good."""

from django.conf import settings as conf
from django.db import models
from django.db.models import Q

from curation.models import Dataset
from curation.models.base import one_of
from scoring.enums import ExportState


class ExportJob(models.Model):
    """One export that someone asked for: what is wanted, how far it is, and where its file lies.

    With a `version` its file becomes a release.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="exports")
    format = models.CharField(max_length=30)
    options = models.JSONField(default=dict, blank=True)
    version = models.CharField(max_length=64, blank=True, help_text="Of the release that it makes")
    changelog = models.TextField(blank=True)
    state = models.CharField(
        max_length=10, choices=ExportState.choices, default=ExportState.QUEUED, db_index=True
    )
    claim = models.UUIDField(null=True, blank=True, help_text="Which attempt may store the file")
    worker = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    total = models.PositiveIntegerField(default=0, help_text="Examples of the dataset")
    done = models.PositiveIntegerField(default=0, help_text="Examples looked at so far")
    written = models.PositiveBigIntegerField(default=0, help_text="Bytes written so far")
    tally = models.JSONField(default=dict, blank=True, help_text="What is in it and left out")
    path = models.CharField(max_length=300, blank=True, help_text="Within the folder of exports")
    sha256 = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True, help_text="Why there is no file, and what to do")
    requested_by = models.ForeignKey(
        conf.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="Its newest message to workers")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            one_of("state", ExportState.values, "export_state_known"),
            models.CheckConstraint(
                condition=~Q(state=ExportState.RUNNING)
                | Q(claim__isnull=False, heartbeat_at__isnull=False),
                name="export_running_is_claimed",
            ),
            models.CheckConstraint(
                condition=~Q(state=ExportState.FINISHED) | (~Q(path="") & ~Q(sha256="")),
                name="export_finished_has_file",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} as {self.format} ({self.pk})"

    @property
    def is_over(self) -> bool:
        return self.state in (ExportState.FINISHED, ExportState.FAILED)

    @property
    def file_name(self) -> str:
        return self.path.rpartition("/")[2]


class Release(models.Model):
    """A snapshot of a dataset under a version. Never changed: the database refuses it."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="releases")
    version = models.CharField(max_length=64)
    changelog = models.TextField(blank=True)
    job = models.OneToOneField(ExportJob, on_delete=models.RESTRICT, related_name="release")
    path = models.CharField(max_length=300, help_text="Within the folder of exports")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text="Bytes")
    files = models.JSONField(help_text="Hash and size of every file within")
    examples = models.PositiveIntegerField()
    steps = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        conf.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "version"], name="release_version_unique"),
            models.CheckConstraint(
                condition=Q(version__regex=r"^[0-9]+\.[0-9]+\.[0-9]+"), name="release_semver"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.version}"
