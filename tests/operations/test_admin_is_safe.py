"""Django's admin has every model, and no more in it than looking, mending words and deleting."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from curation.admin import ReadOnlyAdmin
from curation.llm.keys import seal
from curation.models import LanguageModel
from curation.services.tokens import make_token

# Django's own tables that people have no business in.
NOT_SHOWN = {
    "admin.LogEntry",
    "auth.Permission",
    "contenttypes.ContentType",
}
NOT_SHOWN |= {"sessions.Session"}
# What an admin may add and change by hand; all the rest goes through services and pipelines.
MAY_ADD = {
    *("auth.Group", "auth.User", "curation.Dataset", "curation.Example"),
    *("curation.LanguageModel", "curation.Membership"),
}
MAY_CHANGE = MAY_ADD | {"curation.Draft", "curation.FixStep"}
MAY_DELETE = MAY_ADD | {"curation.Draft"}


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss")


def test_every_model_is_there_and_says_what_may_be_done(boss: User, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = boss
    there = {model._meta.label: one for model, one in admin.site._registry.items()}
    known = {model._meta.label for model in apps.get_models()}
    assert known - there.keys() == NOT_SHOWN
    for label, one in there.items():
        may = (
            one.has_add_permission(request),
            one.has_change_permission(request),
            one.has_delete_permission(request),
        )
        assert may == (label in MAY_ADD, label in MAY_CHANGE, label in MAY_DELETE), label
        assert one.has_view_permission(request), label


def test_the_only_action_is_to_delete_what_may_be_deleted(boss: User, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = boss
    for model, one in admin.site._registry.items():
        actions = set(one.get_actions(request))
        assert actions <= {"delete_selected"}, model
        if isinstance(one, ReadOnlyAdmin):
            assert actions == set(), model


def test_no_page_shows_a_key(boss: User, client: Client) -> None:
    client.force_login(boss)
    token, text = make_token(boss, name="one", by=boss)
    sealed = seal("the provider's key")
    model = LanguageModel.objects.create(
        name="m", base_url="https://x", model_id="m", sealed_key=sealed
    )
    pages = [
        reverse("admin:index"),
        reverse("admin:auth_user_changelist"),
        reverse("admin:curation_languagemodel_changelist"),
        reverse("admin:curation_languagemodel_change", args=[model.pk]),
        reverse("admin:auth_user_change", args=[boss.pk]),
        reverse("admin:curation_apitoken_changelist"),
        reverse("admin:curation_apitoken_change", args=[token.pk]),
    ]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        html = response.content.decode()
        for secret in (text, token.sha256, sealed, "the provider's key"):
            assert secret not in html, page
