from django.conf import settings
from django.db import models
from django.db.models import Q

from curation.enums import MemberRole
from curation.models.base import one_of
from curation.models.dataset import Dataset
from curation.models.draft import Draft
from curation.models.step import FixStep


class Membership(models.Model):
    """A person's role in one dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=MemberRole.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["dataset", "user__username"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "user"], name="membership_unique"),
            one_of("role", MemberRole.values, "membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.dataset}"


class Comment(models.Model):
    """What someone says about a draft, one of its steps, or a line of one of its revisions."""

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="comments")
    step = models.ForeignKey(
        FixStep, null=True, blank=True, on_delete=models.SET_NULL, related_name="comments"
    )
    revision = models.PositiveIntegerField(
        null=True, blank=True, help_text="Number of the revision that `line` counts in"
    )
    line = models.PositiveIntegerField(null=True, blank=True, help_text="1 is the first line")
    quote = models.TextField(blank=True, help_text="The line, as it stood then")
    text = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="comment_not_empty"),
            models.CheckConstraint(
                condition=Q(line__isnull=True) | Q(line__gte=1, revision__isnull=False),
                name="comment_line_needs_revision",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draft} comment {self.pk}"
