from django.conf import settings
from django.db import models
from django.db.models import F, Q

from curation.enums import Located, StepKind
from curation.models.base import one_of
from curation.models.draft import Draft, Revision
from curation.models.taxonomy import Category, Subcategory


class FixStep(models.Model):
    """One ordered repair of a draft: the five fields of the fixed-bug dataset and their anchor.

    `before` and `after` are the revisions around the step. An imported step that could not be
    replayed keeps its text and has no `after`.
    """

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="steps")
    order = models.PositiveIntegerField(help_text="1 is the first step")
    error_code = models.TextField(blank=True)
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True, help_text="The full traceback behind Error, if any")
    fix_info = models.TextField(blank=True)
    fixed_code = models.TextField(blank=True)
    category = models.ForeignKey(
        Category,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="steps",
        db_index=False,
    )
    subcategory = models.ForeignKey(
        Subcategory, null=True, blank=True, on_delete=models.PROTECT, related_name="steps"
    )
    kind = models.CharField(max_length=10, choices=StepKind.choices, default=StepKind.BEHAVIOUR)
    located = models.CharField(max_length=15, choices=Located.choices)
    before = models.ForeignKey(
        Revision, null=True, blank=True, on_delete=models.CASCADE, related_name="steps_from"
    )
    after = models.OneToOneField(
        Revision, null=True, blank=True, on_delete=models.CASCADE, related_name="step"
    )
    span_start = models.PositiveIntegerField(
        null=True, blank=True, help_text="First character of Error_Code in `before`"
    )
    span_end = models.PositiveIntegerField(
        null=True, blank=True, help_text="One past its last character"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    seconds = models.PositiveIntegerField(default=0, help_text="Active seconds spent")
    settled = models.BooleanField(
        default=False, help_text="Someone said that it stays as it is although it does not apply"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["draft", "order"]
        # Which drafts have a step of a category is read from the index alone.
        indexes = [models.Index(fields=["category", "draft"], name="step_of_category")]
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "order"],
                name="step_order_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(condition=Q(order__gte=1), name="step_order_from_one"),
            models.CheckConstraint(
                condition=Q(after__isnull=True) | Q(before__isnull=False),
                name="step_after_needs_before",
            ),
            models.CheckConstraint(
                condition=Q(span_start__isnull=True, span_end__isnull=True)
                | Q(span_end__gte=F("span_start"), before__isnull=False),
                name="step_span_form",
            ),
            models.CheckConstraint(
                condition=Q(subcategory__isnull=True) | Q(category__isnull=False),
                name="step_subcategory_needs_category",
            ),
            one_of("located", Located.values, "step_located_known"),
            one_of("kind", StepKind.values, "step_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.draft} step {self.order}"
