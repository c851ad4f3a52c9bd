"""Django's admin: every model has its pages, and what must not be changed cannot be."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.models import Dataset, Revision
from curation.services import steps
from curation.services.steps import StepText
from executor.services import request_run
from tests.factories import FIXED, PASSWORD, head_of, make_draft

pytestmark = pytest.mark.django_db
OURS = [
    model for label in ("curation", "executor") for model in apps.get_app_config(label).get_models()
]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password=PASSWORD))
    return client


@pytest.fixture
def draft_id() -> int:
    draft = make_draft()
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=None)
    request_run(draft.example, FIXED, draft=draft, by=None)
    return draft.pk


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_has_a_list_and_a_page(boss: Client, draft_id: int, model: type) -> None:
    assert model in admin.site._registry
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert boss.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
    row = model.objects.first()  # type: ignore[attr-defined]
    if row is not None:
        assert boss.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize(
    "name", ["curation_revision", "curation_auditevent", "executor_run", "executor_verdict"]
)
def test_what_machines_and_services_write_cannot_be_added(boss: Client, name: str) -> None:
    assert boss.get(reverse(f"admin:{name}_add")).status_code == 403


def test_a_revision_cannot_be_edited_or_deleted_on_its_own(boss: Client, draft_id: int) -> None:
    revision = Revision.objects.filter(draft=draft_id).earliest("number")
    for page in ("change", "delete"):
        url = reverse(f"admin:curation_revision_{page}", args=[revision.pk])
        assert boss.post(url, {"post": "yes", "code": "x"}).status_code == 403
    assert head_of(revision.draft).number == 1


def test_a_dataset_can_be_deleted_with_all_that_is_in_it(boss: Client, draft_id: int) -> None:
    dataset = Dataset.objects.get()
    url = reverse("admin:curation_dataset_delete", args=[dataset.pk])
    assert boss.post(url, {"post": "yes"}).status_code == 302
    assert not Revision.objects.exists()
