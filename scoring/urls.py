"""Addresses of this app."""

from django.urls import path

from scoring import (
    agreement_views,
    dashboard_views,
    export_views,
    release_views,
    table_views,
)

urlpatterns = [
    path("datasets/<slug:slug>/dashboard/", dashboard_views.dashboard, name="dataset-dashboard"),
    path(
        "datasets/<slug:slug>/dashboard/<slug:board>.<slug:ending>",
        dashboard_views.board_file,
        name="dataset-board-file",
    ),
    path("datasets/<slug:slug>/dashboard/rows/", dashboard_views.rows, name="dataset-rows"),
    path("datasets/<slug:slug>/dashboard/plan/", dashboard_views.plan, name="dataset-plan"),
    path(
        "datasets/<slug:slug>/dashboard/<slug:board>/published/",
        dashboard_views.published,
        name="dataset-published",
    ),
    path("datasets/<slug:slug>/agreement/", agreement_views.agreement, name="dataset-agreement"),
    path("datasets/<slug:slug>/exports/", export_views.exports, name="dataset-exports"),
    path(
        "datasets/<slug:slug>/exports/<slug:name>/<str:file>",
        export_views.export_file,
        name="export-file",
    ),
    path("exports/<int:pk>/download/", export_views.export_download, name="export-download"),
    path("exports/<int:pk>/delete/", export_views.export_delete, name="export-delete"),
    path("datasets/<slug:slug>/releases/", release_views.releases, name="dataset-releases"),
    path("datasets/<slug:slug>/releases/compare/", release_views.compare, name="release-compare"),
    path("releases/<int:pk>/", release_views.release, name="release-detail"),
    path("releases/<int:pk>/download/", release_views.download, name="release-download"),
    path("releases/<int:pk>/experiment/", release_views.experiment, name="release-experiment"),
    path("experiments/compare/", table_views.compare, name="experiment-compare"),
    path("experiments/<slug:slug>/tables/", table_views.table, name="experiment-tables"),
    path("experiments/<slug:slug>/tables/<slug:key>/", table_views.table, name="experiment-table"),
    path(
        "experiments/<slug:slug>/tables/<slug:key>.<slug:ending>",
        table_views.table_file,
        name="experiment-table-file",
    ),
    path("experiments/<slug:slug>/scores/", table_views.scores, name="experiment-scores"),
    path("experiments/<slug:slug>/score", table_views.score_now, name="experiment-score"),
    path(
        "experiments/<slug:slug>/judges/stop",
        table_views.stop_judges,
        name="experiment-judges-stop",
    ),
]
