from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from curation.enums import Difficulty, MemberRole
from curation.models.base import one_of, sha256


class Dataset(models.Model):
    """A named collection of examples that is imported, repaired and exported together."""

    slug = models.SlugField(unique=True, max_length=64)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    source = models.TextField(blank=True, help_text="Where the programs come from")
    licence = models.CharField(max_length=100, blank=True)
    everyone = models.CharField(
        max_length=10,
        choices=MemberRole.choices,
        blank=True,
        help_text="Role of every signed-in person here; empty: members only",
    )
    repairs_wanted = models.PositiveSmallIntegerField(
        default=1, help_text="Independent repairs per draft; from 2 on they are blind"
    )
    times_shown = models.BooleanField(
        default=False, help_text="Every member sees how long each person took for each step"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=~Q(slug=""), name="dataset_slug_not_empty"),
            one_of("everyone", ["", *MemberRole.values], "dataset_everyone_known"),
        ]

    def __str__(self) -> str:
        return self.slug


class Example(models.Model):
    """One PyTorch program: the reference that every draft of it is held against."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="examples")
    example_id = models.CharField(max_length=200, help_text="Example_id of the T2J files")
    position = models.PositiveIntegerField(default=0, help_text="Order within the dataset")
    title = models.CharField(max_length=300, blank=True)
    difficulty = models.CharField(
        max_length=10, choices=Difficulty.choices, default=Difficulty.UNKNOWN
    )
    source = models.TextField(blank=True)
    licence = models.CharField(max_length=100, blank=True)
    pytorch_code = models.TextField(blank=True)
    contract = models.JSONField(
        null=True, blank=True, help_text="What is observed and how; empty means recognised"
    )
    not_runnable = models.CharField(
        max_length=500, blank=True, help_text="Why the program cannot run, if it cannot"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "example_id"], name="example_id_unique"),
            models.CheckConstraint(condition=~Q(example_id=""), name="example_id_not_empty"),
            one_of("difficulty", Difficulty.values, "example_difficulty_known"),
        ]
        # A page of a list reads its own rows, not all to sort them.
        indexes = [models.Index(fields=["dataset", "position", "id"], name="example_order")]

    def __str__(self) -> str:
        return f"{self.dataset}/{self.example_id}"


class Attachment(models.Model):
    """A data file (data.csv, .npy, .npz) that both sides find in their work folder."""

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=100)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["example", "name"], name="attachment_name_unique"),
            # Names become file names in the sandbox's work folder.
            models.CheckConstraint(
                condition=Q(name__regex=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"),
                name="attachment_name_plain",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, **kwargs: Any) -> None:
        self.sha256 = sha256(bytes(self.content))
        super().save(**kwargs)
