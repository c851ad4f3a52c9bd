"""Active seconds of a step: one's own, corrected by oneself, shown to others by a lead only."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.enums import MemberRole, StepKind
from curation.models import AuditEvent, Category, FixStep
from curation.services import members
from curation.services.steps import StepText, edit_step, save_step
from tests.factories import FIXED, make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(person: User) -> FixStep:
    category = Category.objects.create(slug="api", name="API misuse")
    draft = make_draft(example=make_example(make_dataset(by=person)))
    text = StepText(fix_info="why", category=category, seconds=4711)
    return save_step(draft, base=0, code=FIXED, text=text, by=person)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def seen_by(client: Client, step: FixStep) -> dict[str, bool]:
    """Where the person meets the time of the step."""
    pages = {
        "workbench": reverse("workbench", args=[step.draft_id]),
        "words": reverse("step-edit", args=[step.pk]),
        "history": reverse("draft-history", args=[step.draft_id]),
        "API": reverse("api-step-detail", args=[step.pk]),
    }
    return {name: "4711" in client.get(url).content.decode() for name, url in pages.items()}


def correct(client: Client, step: FixStep, seconds: int) -> None:
    words = {"fix_info": "why", "category": step.category_id, "kind": StepKind.BEHAVIOUR}
    client.post(reverse("step-edit", args=[step.pk]), words | {"seconds": seconds})


def test_only_the_author_sees_it_until_a_lead_shows_it(client: Client, step: FixStep) -> None:
    other = client_of(make_user())
    edit_step(step, text=StepText(fix_info="better", seconds=4711), by=step.author)
    assert seen_by(client, step) == {
        "workbench": True,
        "words": True,
        "history": False,
        "API": True,
    }
    assert not any(seen_by(other, step).values())
    dataset = step.draft.example.dataset
    client.post(reverse("dataset-times", args=[dataset.slug]), {"shown": "yes"})
    assert seen_by(other, step) == {"workbench": True, "words": False, "history": True, "API": True}
    event = AuditEvent.objects.get(action="dataset.times")
    client.post(reverse("event-undo", args=[event.pk]))
    assert not any(seen_by(other, step).values())


def test_the_author_corrects_it_and_nobody_else(client: Client, step: FixStep) -> None:
    correct(client, step, 60)
    assert FixStep.objects.get().seconds == 60
    lead = client_of(make_user())
    correct(lead, step, 1)
    lead.patch(
        reverse("api-step-detail", args=[step.pk]),
        json.dumps({"seconds": 2}),
        content_type="application/json",
    )
    assert FixStep.objects.get().seconds == 60


def test_an_annotator_does_not_show_it(client: Client, step: FixStep) -> None:
    dataset = step.draft.example.dataset
    members.set_everyone(dataset, MemberRole.REVIEWER, by=None)
    page = client_of(make_user()).post(reverse("dataset-times", args=[dataset.slug]))
    assert page.status_code == 403
