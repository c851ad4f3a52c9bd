"""Every address of the API, under /api/v1/."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.routers import DefaultRouter

from curation import api as curation
from curation import api_drafts as drafts
from curation import api_taxonomy as taxonomy
from curation import api_team as team
from executor import api as executor
from executor import import_api as imports
from scoring import api as scoring
from scoring import dashboard_api as dashboards
from scoring import experiment_api as experiments
from scoring import release_api as releases
from scoring import translation_api as translations
from t2j_site import api_schema  # noqa: F401 - it says how tokens are told in the document
from t2j_site.api_docs import api_docs
from t2j_site.api_token import NewToken

router = DefaultRouter()
router.register("datasets", curation.DatasetViewSet, "api-dataset")
router.register("examples", curation.ExampleViewSet, "api-example")
router.register("attachments", curation.AttachmentViewSet, "api-attachment")
router.register("drafts", executor.DraftViewSet, "api-draft")
router.register("revisions", drafts.RevisionViewSet, "api-revision")
router.register("steps", executor.StepViewSet, "api-step")
router.register("comments", drafts.CommentViewSet, "api-comment")
router.register("categories", taxonomy.CategoryViewSet, "api-category")
router.register("categories/changes", taxonomy.TaxonomyChangeViewSet, "api-category-change")
router.register("events", team.EventViewSet, "api-event")
router.register("trash", team.TrashViewSet, "api-trash")
router.register("webhooks", team.WebhookViewSet, "api-webhook")
router.register("runs", executor.RunViewSet, "api-run")
router.register("experiments", experiments.ExperimentViewSet, "api-experiment")
router.register("translations", translations.TranslationViewSet, "api-translation")
router.register("exports", releases.ExportJobViewSet, "api-export-job")
router.register("releases", releases.ReleaseViewSet, "api-release")
router.register("scores", experiments.ScoreViewSet, "api-score")
router.register("prompts", team.PromptViewSet, "api-prompt")
router.register("models", team.LanguageModelViewSet, "api-model")

urlpatterns = [
    path("", include(router.urls)),
    path("datasets/<slug:slug>/statistics/", scoring.Statistics.as_view(), name="api-statistics"),
    path("datasets/<slug:slug>/agreement/", experiments.Agreement.as_view(), name="api-agreement"),
    path("datasets/<slug:slug>/plan/", dashboards.DatasetPlan.as_view(), name="api-plan"),
    path("datasets/<slug:slug>/dashboards/", dashboards.Boards.as_view(), name="api-boards"),
    path(
        "datasets/<slug:slug>/dashboards/rows/",
        dashboards.BoardRows.as_view(),
        name="api-board-rows",
    ),
    path(
        "datasets/<slug:slug>/dashboards/<slug:board>/",
        dashboards.BoardDetail.as_view(),
        name="api-board",
    ),
    path(
        "datasets/<slug:slug>/dashboards/<slug:board>/published/",
        dashboards.BoardPublished.as_view(),
        name="api-published",
    ),
    path(
        "datasets/<slug:slug>/dashboards/<slug:board>.<slug:ending>",
        dashboards.BoardFile.as_view(),
        name="api-board-file",
    ),
    path("datasets/<slug:slug>/imports/", imports.Import.as_view(), name="api-import"),
    path("imports/<int:pk>/", imports.ImportDetail.as_view(), name="api-import-job"),
    path("datasets/<slug:slug>/bulk/", executor.Bulk.as_view(), name="api-bulk"),
    path("datasets/<slug:slug>/exports/", scoring.ExportList.as_view(), name="api-exports"),
    path(
        "datasets/<slug:slug>/exports/<slug:export_format>/",
        scoring.ExportMainFile.as_view(),
        name="api-export",
    ),
    path(
        "datasets/<slug:slug>/exports/<slug:export_format>/<str:name>",
        scoring.ExportNamedFile.as_view(),
        name="api-export-file",
    ),
    path(
        "examples/<int:pk>/prompt/", translations.ExamplePrompt.as_view(), name="api-example-prompt"
    ),
    path("examples/<int:pk>/contract/", executor.ExampleContract.as_view(), name="api-contract"),
    path(
        "experiments/<slug:slug>/tables/<slug:key>/",
        experiments.ExperimentTable.as_view(),
        name="api-experiment-table",
    ),
    path(
        "experiments/<slug:slug>/tables/<slug:key>.<slug:ending>",
        experiments.ExperimentTableFile.as_view(),
        name="api-experiment-table-file",
    ),
    path("workers/", executor.Workers.as_view(), name="api-workers"),
    path("token/", NewToken.as_view(), name="api-token"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", api_docs, name="api-docs"),
]
