"""Experiments, numbers and releases in Django's admin, to be looked at: their pages change them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from curation.admin import ReadOnlyAdmin
from scoring.models import (
    DraftFact,
    Experiment,
    ExportJob,
    Plan,
    Published,
    Release,
    Score,
    Setting,
    Signature,
    Summary,
    Tally,
    Translation,
)


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    list_display = ["slug", "title", "kind", "dataset", "created_by", "created_at"]
    list_filter = ["kind", "dataset"]
    list_select_related = ["dataset", "created_by"]
    search_fields = ["slug", "title"]


@admin.register(Setting)
class SettingAdmin(ReadOnlyAdmin):
    list_display = ["name", "experiment", "model", "runtime", "samples"]
    list_filter = ["experiment"]
    list_select_related = ["experiment", "model"]
    search_fields = ["name", "experiment__slug"]


@admin.register(Translation)
class TranslationAdmin(ReadOnlyAdmin):
    list_display = ["id", "setting", "example", "sample", "state"]
    list_filter = ["state", "setting__experiment"]
    list_select_related = ["setting__experiment", "example__dataset"]
    search_fields = ["example__example_id", "setting__name"]


@admin.register(Signature)
class SignatureAdmin(ReadOnlyAdmin):
    list_display = ["sha256"]
    search_fields = ["sha256"]


@admin.register(Score)
class ScoreAdmin(ReadOnlyAdmin):
    list_display = ["id", "metric", "measure", "judge", "repeat", "value", "why", "created_at"]
    list_filter = ["metric", "measure"]
    search_fields = ["metric", "measure", "judge"]

    def get_queryset(self, request: HttpRequest) -> Any:
        # A list of a million scores shows none of their details.
        match = request.resolver_match
        found = super().get_queryset(request)
        return found if match and "object_id" in match.kwargs else found.defer("detail")


@admin.register(ExportJob)
class ExportJobAdmin(ReadOnlyAdmin):
    list_display = ["id", "dataset", "format", "state", "version", "attempts", "worker"]
    list_filter = ["state", "format", "dataset"]
    list_select_related = ["dataset"]
    search_fields = ["dataset__slug", "version"]


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "version", "examples", "steps", "created_by", "created_at"]
    list_filter = ["dataset"]
    list_select_related = ["dataset", "created_by"]
    search_fields = ["dataset__slug", "version"]


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "approved_wanted", "due"]
    list_select_related = ["dataset"]


@admin.register(Published)
class PublishedAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "board", "name", "source"]
    list_select_related = ["dataset"]


@admin.register(Summary)
class SummaryAdmin(ReadOnlyAdmin):
    list_display = ["dataset", "drafts", "seconds", "made_at"]
    list_select_related = ["dataset"]


@admin.register(DraftFact)
class DraftFactAdmin(ReadOnlyAdmin):
    list_display = ["draft", "status", "outcome", "kind", "steps", "judged_in"]
    list_filter = ["status", "outcome", "freshness"]
    list_select_related = ["draft__example__dataset"]


@admin.register(Tally)
class TallyAdmin(ReadOnlyAdmin):
    list_display = ["id", "measure", "difficulty", "model", "keys", "number"]
    list_filter = ["measure", "difficulty"]
