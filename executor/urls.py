"""Addresses of this app."""

from django.urls import path

from executor.views import (
    adjudication,
    compare,
    examples,
    fleet,
    imports,
    ledger,
    queue,
    runs,
    workbench,
)

urlpatterns = [
    path("datasets/<slug:slug>/", queue.queue, name="dataset-detail"),
    path("datasets/<slug:slug>/bulk/", queue.queue_bulk, name="queue-bulk"),
    path("datasets/<slug:slug>/import/", imports.dataset_import, name="dataset-import"),
    path("imports/<int:pk>/", imports.import_job, name="import-job"),
    path("examples/<int:pk>/", examples.example_detail, name="example-detail"),
    path("examples/<int:pk>/contract/", examples.contract_edit, name="contract-edit"),
    path("examples/<int:pk>/drafts/new/", examples.draft_new, name="draft-new"),
    path("drafts/<int:pk>/", workbench.workbench, name="workbench"),
    path("drafts/<int:pk>/run/", workbench.draft_run, name="draft-run"),
    path("drafts/<int:pk>/status/", workbench.draft_status, name="draft-status"),
    path("drafts/<int:pk>/steps/new/", workbench.step_new, name="step-new"),
    path("drafts/<int:pk>/steps/", workbench.step_save, name="step-save"),
    path("drafts/<int:pk>/steps/take-back/", ledger.step_take_back, name="step-take-back"),
    path(
        "drafts/<int:pk>/revisions/<int:number>/", workbench.revision_detail, name="revision-detail"
    ),
    path("drafts/<int:pk>/compare/", compare.draft_compare, name="draft-compare"),
    path("drafts/<int:pk>/adjudicate/", adjudication.adjudicate, name="draft-adjudicate"),
    path("steps/<int:pk>/change/", ledger.step_change, name="step-change"),
    path("steps/<int:pk>/split/", ledger.step_split, name="step-split"),
    path("steps/<int:pk>/code/", ledger.step_code, name="step-code"),
    path("workers/", fleet.fleet_detail, name="fleet"),
    path("runs/<int:pk>/", runs.run_detail, name="run-detail"),
    path("runs/<int:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("runs/<int:pk>/to-cpu/", runs.run_to_cpu, name="run-to-cpu"),
]
