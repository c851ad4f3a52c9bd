"""Runs, verdicts, measurements and workers in Django's admin, to be looked at."""

from django.contrib import admin

from curation.admin import ReadOnlyAdmin
from executor.models import ImportJob, Measurement, Run, Verdict, Worker


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ["id", "example", "runtime", "state", "attempts", "worker", "created_at"]
    list_filter = ["state", "runtime", "example__dataset"]
    list_select_related = ["example__dataset"]
    search_fields = ["example__example_id", "code_hash"]


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ["id", "run", "outcome", "stage", "kind", "reason", "seconds", "created_at"]
    list_filter = ["outcome", "stage", "kind", "reason"]
    list_select_related = ["run__example__dataset"]
    search_fields = ["run__example__example_id", "message"]


@admin.register(Measurement)
class MeasurementAdmin(ReadOnlyAdmin):
    list_display = ["id", "example", "side", "kind", "runtime", "device", "outcome", "wall_s"]
    list_filter = ["side", "kind", "outcome", "runtime", "example__dataset"]
    list_select_related = ["example__dataset"]
    search_fields = ["example__example_id", "code_hash"]


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["name", "concurrency", "isolation", "started_at", "seen_at"]
    search_fields = ["name"]


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnlyAdmin):
    list_display = ["id", "dataset", "state", "dry_run", "bytes", "created_by", "created_at"]
    list_filter = ["state", "dry_run", "dataset"]
    list_select_related = ["dataset", "created_by"]
    search_fields = ["file"]
