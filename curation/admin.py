"""Every model in Django's admin. What is never changed by hand can only be looked at there."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from curation.llm import admin as llm
from curation.models import (
    ApiToken,
    Attachment,
    AuditEvent,
    Category,
    Comment,
    Dataset,
    Delivery,
    Draft,
    DraftCount,
    Example,
    FixStep,
    KeptText,
    Layout,
    Membership,
    Preference,
    Revision,
    Subcategory,
    Trash,
    Webhook,
    WorkingCopy,
)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[models.Model]
else:
    # Generic for the type checker only.
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Rows that the services, pipelines or the database keep: seen, never edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnerAdmin(ModelAdmin):
    """Rows that may be deleted with all that belongs to them, read-only rows too."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        deleted, counts, _, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected


@admin.register(Dataset)
class DatasetAdmin(OwnerAdmin):
    list_display = ["slug", "title", "licence", "created_by", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["slug", "title"]
    autocomplete_fields = ["created_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # Links and exports go by the slug.
        return ["slug"] if obj else []


@admin.register(Example)
class ExampleAdmin(OwnerAdmin):
    list_display = ["example_id", "dataset", "title", "difficulty", "not_runnable"]
    list_filter = ["dataset", "difficulty"]
    list_select_related = ["dataset"]
    search_fields = ["example_id", "title"]
    autocomplete_fields = ["dataset"]


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "example", "sha256"]
    list_select_related = ["example__dataset"]
    search_fields = ["name", "example__example_id"]
    exclude = ["content"]


@admin.register(Draft)
class DraftAdmin(OwnerAdmin):
    list_display = ["id", "example", "role", "model", "prompt_kind", "status", "created_at"]
    list_filter = ["status", "role", "prompt_kind", "example__dataset"]
    list_select_related = ["example__dataset"]
    search_fields = ["example__example_id", "model"]
    autocomplete_fields = ["created_by"]
    # Only the table of transitions changes a status, and a draft stays with its program.
    readonly_fields = [
        "example",
        "status",
        "submitted_at",
        "submitted_by",
        "approved_by",
        "approval_reason",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A draft needs its revision 0, which the paste page makes.
        return False


@admin.register(DraftCount)
class DraftCountAdmin(ReadOnlyAdmin):
    list_display = ["id", "dataset", "difficulty", "status", "judged", "number"]
    list_filter = ["status", "dataset"]
    list_select_related = ["dataset"]


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ["id", "draft", "number", "origin", "sha256", "created_at"]
    list_filter = ["origin", "draft__example__dataset"]
    list_select_related = ["draft__example__dataset"]
    search_fields = ["draft__example__example_id", "sha256"]


@admin.register(FixStep)
class FixStepAdmin(ModelAdmin):
    list_display = ["id", "draft", "order", "category", "subcategory", "kind", "located", "author"]
    list_filter = ["located", "kind", "category", "draft__example__dataset"]
    list_select_related = ["draft__example__dataset", "category", "subcategory", "author"]
    search_fields = ["draft__example__example_id", "error", "fix_info"]
    # The code of a step belongs to its revisions; only the words about it may be mended.
    readonly_fields = [
        "draft",
        "order",
        "error_code",
        "fixed_code",
        "located",
        "before",
        "after",
        "span_start",
        "span_end",
        "author",
    ]
    # How long a person took is that person's own.
    exclude = ["seconds"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Category)
class CategoryAdmin(ReadOnlyAdmin):
    list_display = ["name", "slug", "position", "retired"]
    search_fields = ["name", "slug"]


@admin.register(Subcategory)
class SubcategoryAdmin(ReadOnlyAdmin):
    list_display = ["name", "category", "slug", "position", "retired"]
    list_filter = ["category"]
    list_select_related = ["category"]
    search_fields = ["name", "slug"]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor", "action", "target", "dataset"]
    list_filter = ["action", "dataset"]
    list_select_related = ["actor", "dataset"]
    search_fields = ["target", "action"]
    date_hierarchy = "at"


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    list_display = ["user", "dataset", "role"]
    list_filter = ["role", "dataset"]
    list_select_related = ["user", "dataset"]
    search_fields = ["user__username", "dataset__slug"]
    autocomplete_fields = ["user", "dataset"]


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin):
    list_display = ["draft", "author", "text", "created_at", "resolved_at"]
    list_select_related = ["draft__example__dataset", "author"]
    search_fields = ["text"]


@admin.register(KeptText)
class KeptTextAdmin(ReadOnlyAdmin):
    list_display = ["sha256"]


@admin.register(WorkingCopy)
class WorkingCopyAdmin(ReadOnlyAdmin):
    list_display = ["draft", "user", "base", "saved_at", "seen_at"]
    list_select_related = ["draft__example__dataset", "user"]


@admin.register(Preference)
class PreferenceAdmin(ReadOnlyAdmin):
    list_display = ["user", "name", "at"]
    list_filter = ["name"]


@admin.register(Layout)
class LayoutAdmin(ReadOnlyAdmin):
    list_display = ["user", "left", "right"]
    list_select_related = ["user"]


@admin.register(Trash)
class TrashAdmin(ReadOnlyAdmin):
    list_display = ["name", "dataset", "deleted_by", "deleted_at"]
    list_select_related = ["dataset", "deleted_by"]
    exclude = ["content"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "start", "created_at", "used_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    exclude = ["sha256"]


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "url", "events", "enabled", "created_by"]
    list_select_related = ["dataset", "created_by"]
    search_fields = ["url", "dataset__slug"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["id", "webhook", "event", "state", "attempts", "status", "created_at"]
    list_filter = ["state", "event"]
    list_select_related = ["webhook__dataset"]
    search_fields = ["id", "webhook__url"]


# Registers its models when it is imported.
__all__ = ["llm"]
