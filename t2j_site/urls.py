"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from t2j_site.health import healthz, readyz
from t2j_site.metrics import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("t2j_site.api")),
    path("", include("scoring.urls")),
    path("", include("scoring.experiment_urls")),
    path("", include("executor.urls")),
    path("", include("curation.urls")),
]

handler400 = "t2j_site.errors.bad_request"
handler404 = "t2j_site.errors.not_found"
handler500 = "t2j_site.errors.server_error"
