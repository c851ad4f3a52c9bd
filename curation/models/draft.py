from django.conf import settings
from django.db import models
from django.db.models import Q

from curation.enums import DraftStatus, Origin, PromptKind, Role
from curation.models.base import one_of
from curation.models.dataset import Example


class Draft(models.Model):
    """One JAX translation of an example, as a model answered it, and its repair."""

    example = models.ForeignKey(Example, on_delete=models.CASCADE, related_name="drafts")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.CHEAP)
    model = models.CharField(max_length=200, blank=True, help_text="Model that answered")
    prompt_kind = models.CharField(
        max_length=10, choices=PromptKind.choices, default=PromptKind.UNKNOWN
    )
    raw_answer = models.TextField(blank=True, help_text="The whole answer, as it came")
    status = models.CharField(
        max_length=10, choices=DraftStatus.choices, default=DraftStatus.DRAFT, db_index=True
    )
    judged = models.CharField(
        max_length=100,
        blank=True,
        default="",
        editable=False,
        help_text="The newest verdict on the newest revision, as outcome/kind/reason; "
        "empty: not run",
    )
    original = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="repairs",
        help_text="The draft of which this is one of several independent repairs",
    )
    blind = models.BooleanField(
        default=False, help_text="Only its assignee may see it until all repairs are in"
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its repair waits for a reviewer"
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approval_reason = models.TextField(
        blank=True, help_text="Why it was approved although the machine did not verify it"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("role", Role.values, "draft_role_known"),
            one_of("prompt_kind", PromptKind.values, "draft_prompt_kind_known"),
            one_of("status", DraftStatus.values, "draft_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.example} draft {self.pk}"


class KeptText(models.Model):
    """The code of a revision that a changed ledger no longer holds, for the way back."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    text = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.sha256


class Revision(models.Model):
    """Full code of a draft at one point. Never changed: the database refuses it."""

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField(help_text="0 is the draft as extracted")
    code = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, db_index=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["draft", "number"]
        constraints = [
            models.UniqueConstraint(fields=["draft", "number"], name="revision_number_unique"),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="revision_sha256_form"
            ),
            models.CheckConstraint(
                condition=Q(number=0, origin=Origin.DRAFT)
                | (Q(number__gt=0) & ~Q(origin=Origin.DRAFT)),
                name="revision_zero_is_the_draft",
            ),
            one_of("origin", Origin.values, "revision_origin_known"),
        ]

    def __str__(self) -> str:
        return f"{self.draft} r{self.number}"
