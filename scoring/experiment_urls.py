"""Addresses of experiments, translations and prompts."""

from django.urls import path

from curation.views import prompts
from scoring import experiment_views as views

urlpatterns = [
    path("experiments/", views.experiment_list, name="experiment-list"),
    path("datasets/<slug:slug>/experiments/new/", views.experiment_new, name="experiment-new"),
    path("experiments/<slug:slug>/", views.experiment_detail, name="experiment-detail"),
    path("experiments/<slug:slug>/start/", views.experiment_start, name="experiment-start"),
    path("experiments/<slug:slug>/stop/", views.experiment_stop, name="experiment-stop"),
    path("experiments/<slug:slug>/limit/", views.experiment_limit, name="experiment-limit"),
    path(
        "experiments/<slug:slug>/reference/",
        views.experiment_reference,
        name="experiment-reference",
    ),
    path("translations/<int:pk>/", views.translation_detail, name="translation-detail"),
    path("translations/<int:pk>/paste/", views.translation_paste, name="translation-paste"),
    path("translations/<int:pk>/anew/", views.translation_anew, name="translation-anew"),
    path("translations/<int:pk>/queue/", views.translation_queue, name="translation-queue"),
    path("translations/<int:pk>/context/", views.translation_context, name="translation-context"),
    path("examples/<int:pk>/prompt/", views.example_prompt, name="example-prompt"),
    path("prompts/", prompts.prompt_list, name="prompt-list"),
    path("prompts/<slug:slug>/", prompts.prompt_edit, name="prompt-edit"),
]
