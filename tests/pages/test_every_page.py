"""Every page answers, needs a sign-in, and asks the database no more when there is more."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.views.defaults import server_error

from curation.models import Category, Dataset, Draft, Example
from curation.services.steps import StepText, save_step
from executor.models import ImportJob
from tests.factories import DRAFT, FIXED, head_of, make_dataset, make_draft, make_example
from tests.pages.conftest import FAILED

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(person: User, judged: Callable[..., Any]) -> Dataset:
    """One example with a repaired draft, whose revisions have verdicts, and one without draft."""
    Category.objects.create(slug="api", name="API misuse")
    dataset = make_dataset("little", by=person)
    grow(dataset, person, judged)
    make_example(dataset)
    return dataset


def grow(dataset: Dataset, person: User, judged: Callable[..., Any]) -> Draft:
    draft = make_draft(example=make_example(dataset), by=person)
    judged(draft, head_of(draft), FAILED)
    text = StepText(error="It broke.", fix_info="Why.", category=Category.objects.first())
    save_step(draft, base=0, code=FIXED, text=text, by=person)
    judged(draft, head_of(draft), FAILED)
    return draft


def urls(dataset: Dataset) -> dict[str, str]:
    draft = Draft.objects.filter(example__dataset=dataset).earliest("pk")
    step = draft.steps.earliest("pk")
    run = draft.runs.earliest("pk")
    return {
        "datasets": reverse("dataset-list"),
        "new dataset": reverse("dataset-new"),
        "workers": reverse("fleet"),
        "categories": reverse("taxonomy"),
        "split": reverse("taxonomy-split") + f"?place=c{step.category_id}",
        "queue": reverse("dataset-detail", args=[dataset.slug]),
        "filtered": reverse("dataset-detail", args=[dataset.slug]) + "?outcome=fail&q=jnp",
        "import": reverse("dataset-import", args=[dataset.slug]),
        "import under way": reverse("import-job", args=[_job(dataset).pk]),
        "new example": reverse("example-new", args=[dataset.slug]),
        "example": reverse("example-detail", args=[draft.example_id]),
        "new draft": reverse("draft-new", args=[draft.example_id]),
        "contract": reverse("contract-edit", args=[draft.example_id]),
        "workbench": reverse("workbench", args=[draft.pk]),
        "history": reverse("draft-history", args=[draft.pk]),
        "comparison": reverse("draft-compare", args=[draft.pk]),
        "revision": reverse("revision-detail", args=[draft.pk, 0]),
        "run": reverse("run-detail", args=[run.pk]),
        "step": reverse("step-edit", args=[step.pk]),
        "step code": reverse("step-code", args=[step.pk]),
        "step split": reverse("step-split", args=[step.pk]),
        "dataset history": reverse("dataset-history", args=[dataset.slug]),
        "agreement": reverse("dataset-agreement", args=[dataset.slug]),
        "trash": reverse("dataset-trash", args=[dataset.slug]),
        "adjudicate": reverse("draft-adjudicate", args=[draft.pk]),
        "members": reverse("dataset-members", args=[dataset.slug]),
        "dashboard": reverse("dataset-dashboard", args=[dataset.slug]),
        "dashboard by dataset": reverse("dataset-dashboard", args=[dataset.slug]) + "?by=dataset",
        "counted drafts": reverse("dataset-rows", args=[dataset.slug]) + "?outcome=fail",
        "counted steps": reverse("dataset-rows", args=[dataset.slug]) + "?of=steps&category=api",
        "plan": reverse("dataset-plan", args=[dataset.slug]),
        "published": reverse("dataset-published", args=[dataset.slug, "categories"]),
        "webhooks": reverse("dataset-webhooks", args=[dataset.slug]),
        "exports": reverse("dataset-exports", args=[dataset.slug]),
    }


def _job(dataset: Dataset) -> ImportJob:
    folder = uuid.UUID(int=dataset.pk)
    return ImportJob.objects.get_or_create(dataset=dataset, folder=folder, names=["a.json"])[0]


def test_every_page_answers_and_has_nothing_inline(client: Client, dataset: Dataset) -> None:
    for name, url in urls(dataset).items():
        response = client.get(url)
        assert response.status_code == 200, name
        html = response.content.decode()
        assert " style=" not in html and "<style" not in html, name
        assert " onclick=" not in html and "javascript:" not in html, name
        assert html.count("<h1") == 1, name


def test_every_page_needs_a_sign_in(dataset: Dataset) -> None:
    for name, url in urls(dataset).items():
        response = Client().get(url)
        assert response.status_code == 302, name
        assert response["Location"].startswith("/login/?next="), name


def test_queries_do_not_grow_with_rows(
    client: Client, dataset: Dataset, person: User, judged: Callable[..., Any]
) -> None:
    before = {name: queries(client, url) for name, url in urls(dataset).items()}
    for _ in range(4):
        grow(dataset, person, judged)
    first = Draft.objects.filter(example__dataset=dataset).earliest("pk")
    for number in range(1, 5):
        save_step(
            first, base=number, code=f"{FIXED}# {number}\n", text=StepText(fix_info="x"), by=person
        )
        judged(first, f"{FIXED}# {number}\n", FAILED)
    for number in range(4):
        make_draft(f"{DRAFT}# {number}\n", example=first.example, by=person)
    after = {name: queries(client, url) for name, url in urls(dataset).items()}
    assert after == before


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_a_missing_record_is_a_page_of_ours(client: Client, settings: Any) -> None:
    settings.DEBUG = False
    response = client.get("/drafts/999999/")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()


def test_an_attachment_is_only_ever_downloaded(client: Client) -> None:
    example: Example = make_example()
    file = example.attachments.create(name="data.csv", content=b"<script>alert(1)</script>")
    response = client.get(reverse("attachment", args=[file.pk]))
    assert response.content == b"<script>alert(1)</script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="data.csv"'


def test_a_form_that_is_too_large_is_a_page_of_ours(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    draft = make_draft()
    response = client.post(reverse("draft-run", args=[draft.pk]), {"code": "x" * 2000})
    assert response.status_code == 413
    assert "That is too large" in response.content.decode()


def test_a_form_without_its_token_is_a_page_of_ours(person: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(person)
    response = careful.post(reverse("dataset-new"), {"title": "x", "slug": "x"})
    assert response.status_code == 403
    assert "This page was too old" in response.content.decode()
    assert not Dataset.objects.filter(slug="x").exists()


def test_a_broken_server_says_so_without_the_database(rf: RequestFactory) -> None:
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert "Our mistake" in response.content.decode()
