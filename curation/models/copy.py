from django.conf import settings
from django.db import models

from curation.enums import PreferenceName
from curation.models.base import one_of
from curation.models.draft import Draft


class WorkingCopy(models.Model):
    """What a person has in the editor of one tab and has not saved as a step.

    `code` None: nothing is unsaved there, the row only says that the person looks at the draft.
    """

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="copies")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    tab = models.CharField(max_length=64, help_text="One load of the page in one tab")
    base = models.PositiveIntegerField(help_text="Number of the revision that the edit began from")
    code = models.TextField(null=True, blank=True)  # noqa: DJ001 - empty text is an edit, too
    form = models.JSONField(default=dict, blank=True, help_text="The open step form")
    seconds = models.PositiveIntegerField(default=0)
    saved_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-saved_at"]
        verbose_name_plural = "working copies"
        constraints = [
            models.UniqueConstraint(fields=["draft", "user", "tab"], name="copy_per_tab_unique")
        ]
        indexes = [models.Index(fields=["draft", "seen_at"])]

    def __str__(self) -> str:
        return f"{self.draft} in the hands of {self.user}"


class Layout(models.Model):
    """How a person has laid out the workbench, on whichever machine they set it last."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    left = models.FloatField(help_text="Width of the reference, in percent of the panes")
    right = models.FloatField(help_text="Width of the verdict, in percent of the panes")
    at = models.BigIntegerField(help_text="When the person set it, in milliseconds since 1970")

    def __str__(self) -> str:
        return f"Layout of {self.user}"


class Preference(models.Model):
    """What a person chose on whichever machine they chose it last: a theme, their shortcuts."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    name = models.CharField(max_length=20, choices=PreferenceName.choices)
    text = models.TextField(help_text="As the browser keeps it")
    at = models.BigIntegerField(help_text="When the person chose it, in milliseconds since 1970")

    class Meta:
        ordering = ["user", "name"]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="preference_unique"),
            one_of("name", PreferenceName.values, "preference_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class Trash(models.Model):
    """A deleted example or draft with all that belonged to it, as it can be brought back."""

    dataset = models.ForeignKey("curation.Dataset", on_delete=models.CASCADE, related_name="trash")
    name = models.CharField(max_length=300)
    content = models.TextField(help_text="Django's serialized records")
    deleted_at = models.DateTimeField(auto_now_add=True)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "trash"

    def __str__(self) -> str:
        return self.name
