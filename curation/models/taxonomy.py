"""The taxonomy of fix steps, one for all datasets."""

from typing import TypeVar

from django.db import models
from django.db.models import Q

M = TypeVar("M", bound=models.Model)


class InUse(models.Manager[M]):
    """Without the rows that were merged into others or dissolved."""

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().filter(retired=False)


class Ever(models.Manager[M]):
    """Retired rows and all."""


class Category(models.Model):
    """A kind of bug (a row of the paper's Table 6).

    A merged or renamed category leaves a retired row behind: files, kept ledgers and deleted
    drafts that still name it lead to what it is now.
    """

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    edited = models.BooleanField(
        default=False, help_text="People changed it: what is shipped does not overwrite it"
    )
    retired = models.BooleanField(default=False)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    objects = InUse()
    ever = Ever()

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(retired=False), name="category_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(retired=False, merged_into__isnull=True)
                | Q(retired=True, merged_into__isnull=False),
                name="category_retired_is_merged",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Subcategory(models.Model):
    """A finer kind within one category (the paper's Tables 7 and 8).

    Retired without `merged_into` it was dissolved: its steps have the category alone.
    """

    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="subcategories")
    slug = models.SlugField()
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    edited = models.BooleanField(
        default=False, help_text="People changed it: what is shipped does not overwrite it"
    )
    retired = models.BooleanField(default=False)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )

    objects = InUse()
    ever = Ever()

    class Meta:
        ordering = ["category", "position", "name"]
        verbose_name_plural = "subcategories"
        constraints = [
            models.UniqueConstraint(fields=["category", "slug"], name="subcategory_slug_unique"),
            models.UniqueConstraint(
                fields=["category", "name"],
                condition=Q(retired=False),
                name="subcategory_name_unique",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(retired=True),
                name="subcategory_merged_is_retired",
            ),
        ]

    def __str__(self) -> str:
        return self.name
