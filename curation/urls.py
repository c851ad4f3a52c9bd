"""Addresses of this app."""

from django.contrib.auth import views as auth
from django.urls import path

from curation.views import (
    assignment,
    comments,
    copies,
    datasets,
    drafts,
    members,
    preferences,
    taxonomy,
    tokens,
    trash,
    webhooks,
)

urlpatterns = [
    path("", datasets.dataset_list, name="dataset-list"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("new-dataset/", datasets.dataset_new, name="dataset-new"),
    path("datasets/<slug:slug>/examples/new/", datasets.example_new, name="example-new"),
    path("datasets/<slug:slug>/history/", drafts.dataset_history, name="dataset-history"),
    path("datasets/<slug:slug>/members/", members.members, name="dataset-members"),
    path("datasets/<slug:slug>/times/", members.dataset_times, name="dataset-times"),
    path("datasets/<slug:slug>/webhooks/", webhooks.webhooks, name="dataset-webhooks"),
    path("preferences/", preferences.preference_keep, name="preference-keep"),
    path("layout/", copies.layout_keep, name="layout-keep"),
    path("attachments/<int:pk>/", datasets.attachment, name="attachment"),
    path("drafts/<int:pk>/history/", drafts.history, name="draft-history"),
    path("drafts/<int:pk>/comments/", comments.comment_add, name="draft-comments"),
    path("datasets/<slug:slug>/next/", assignment.dataset_next, name="dataset-next"),
    path("drafts/<int:pk>/claim/", assignment.draft_claim, name="draft-claim"),
    path("drafts/<int:pk>/assign/", assignment.draft_assign, name="draft-assign"),
    path("drafts/<int:pk>/copy/", copies.copy_keep, name="copy-keep"),
    path("drafts/<int:pk>/copy/drop/", copies.copy_drop, name="copy-drop"),
    path("drafts/<int:pk>/copy/merged/", copies.copy_merged, name="copy-merged"),
    path("drafts/<int:pk>/delete/", trash.draft_delete, name="draft-delete"),
    path("examples/<int:pk>/delete/", trash.example_delete, name="example-delete"),
    path("datasets/<slug:slug>/deleted/", trash.dataset_trash, name="dataset-trash"),
    path("deleted/<int:pk>/restore/", trash.trash_restore, name="trash-restore"),
    path("comments/<int:pk>/resolve/", comments.comment_resolve, name="comment-resolve"),
    path("comments/<int:pk>/delete/", comments.comment_delete, name="comment-delete"),
    path("events/<int:pk>/undo/", drafts.event_undo, name="event-undo"),
    path("categories/", taxonomy.taxonomy, name="taxonomy"),
    path("categories/change/", taxonomy.taxonomy_change, name="taxonomy-change"),
    path("categories/split/", taxonomy.taxonomy_split, name="taxonomy-split"),
    path("categories/changes/<int:pk>/undo/", taxonomy.taxonomy_undo, name="taxonomy-undo"),
    path("steps/<int:pk>/edit/", drafts.step_edit, name="step-edit"),
]
