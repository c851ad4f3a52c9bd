"""The page of webhooks: add, see the secret once, try, switch off, send again, remove."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from curation.enums import DeliveryState, MemberRole, WebhookEvent
from curation.models import AuditEvent, Dataset, Delivery, Webhook
from curation.services import members, webhooks
from curation.webhooks import pipeline
from curation.webhooks.pipeline import secret_of
from tests.api.calls import said
from tests.api.test_webhooks import receiver
from tests.factories import make_dataset, make_user

pytestmark = pytest.mark.django_db
URL = "https://8.8.8.8/hook"


@pytest.fixture
def dataset(person: User) -> Dataset:
    return make_dataset("mine", by=person, everyone=None)


def page() -> str:
    return reverse("dataset-webhooks", args=["mine"])


def post(client: Client, **data: Any) -> str:
    return str(client.post(page(), data, follow=True).content.decode())


def hook(dataset: Dataset, url: str = URL) -> Webhook:
    return webhooks.register(dataset, url=url, events=[WebhookEvent.APPROVED], by=None)


def test_a_webhook_is_added_and_its_secret_shown_once(client: Client, dataset: Dataset) -> None:
    shown = post(client, url=URL, events=["approved", "released"])
    made = Webhook.objects.get()
    assert (made.url, made.events) == (URL, ["approved", "released"])
    assert secret_of(made) in shown
    later = client.get(page())
    assert URL in later.content.decode() and secret_of(made) not in later.content.decode()
    assert "no-store" in later["Cache-Control"]
    was = secret_of(made)
    renewed = post(client, do="secret", webhook=made.pk)
    made.refresh_from_db()
    assert secret_of(made) in renewed and secret_of(made) != was


@pytest.mark.parametrize(
    ("url", "events", "words"),
    [
        ("http://10.0.0.1/", ["approved"], "https"),
        (URL, [], "This field is required"),
        (URL, ["ping"], "not one of the available choices"),
        ("", ["approved"], "This field is required"),
    ],
)
def test_what_cannot_be_told_is_refused(
    client: Client, dataset: Dataset, url: str, events: list[str], words: str
) -> None:
    response = client.post(page(), {"url": url, "events": events})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Webhook.objects.exists()


def test_it_is_switched_off_on_and_removed(client: Client, dataset: Dataset) -> None:
    webhook = hook(dataset)
    assert "is told nothing until" in post(client, do="off", webhook=webhook.pk)
    assert not Webhook.objects.get().enabled
    assert "Switch it on first" in post(client, do="ping", webhook=webhook.pk)
    post(client, do="on", webhook=webhook.pk)
    assert Webhook.objects.get().enabled
    assert "is removed with its log" in post(client, do="remove", webhook=webhook.pk)
    assert not Webhook.objects.exists()
    assert "it may be removed already" in post(client, do="remove", webhook=webhook.pk)
    assert "it may be removed already" in post(client, do="off", webhook="9" * 40)
    names = AuditEvent.objects.filter(action__startswith="webhook.").order_by("pk")
    assert list(names.values_list("action", flat=True)) == [
        *("webhook.registered", "webhook.changed", "webhook.changed", "webhook.removed"),
    ]


def test_a_message_that_was_given_up_is_sent_again(
    client: Client,
    dataset: Dataset,
    settings: Any,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.T2J_WEBHOOKS_INSIDE = True
    with receiver(500, 200) as there:
        webhook = hook(dataset, there.url)
        post(client, do="ping", webhook=webhook.pk)
        sent = Delivery.objects.get()
        Delivery.objects.update(attempts=pipeline.MOST_ATTEMPTS - 1)
        pipeline.deliver(str(sent.pk))
        shown = client.get(page()).content.decode()
        assert "Given up" in shown and "The receiver answered 500." in shown
        with django_capture_on_commit_callbacks() as told:
            assert "The message is sent again." in post(client, do="retry", delivery=sent.pk)
        assert len(told) == 1
        sent.refresh_from_db()
        assert (sent.state, sent.attempts, sent.note) == (DeliveryState.WAITING, 0, "")
        # Once is enough: it waits already.
        assert "tried again by itself" in post(client, do="retry", delivery=sent.pk)
        pipeline.deliver(str(sent.pk))
        sent.refresh_from_db()
        assert (sent.state, sent.status) == (DeliveryState.DELIVERED, 200)
        ids = {headers["T2J-Delivery"] for headers, _ in there.came}
        assert ids == {str(sent.pk)}, "a receiver knows it for the same message"
    assert "It was delivered" in post(client, do="retry", delivery=sent.pk)
    assert "no such message" in post(client, do="retry", delivery="x")


def test_the_api_sends_again_too(client: Client, dataset: Dataset) -> None:
    webhook = hook(dataset)
    sent = webhooks.ping(webhook, by=None)
    path = f"/webhooks/{webhook.pk}/retry/"
    assert said(client, "post", path, {"delivery": str(sent.pk)})[0] == 409
    Delivery.objects.update(state=DeliveryState.FAILED, attempts=9)
    code, answer = said(client, "post", path, {"delivery": str(sent.pk)})
    assert (code, answer["state"], answer["attempts"]) == (202, "waiting", 0)
    other = webhooks.ping(hook(make_dataset("other")), by=None)
    assert said(client, "post", path, {"delivery": str(other.pk)})[0] == 404


def test_foreign_webhooks_and_messages_are_out_of_reach(client: Client, dataset: Dataset) -> None:
    foreign = hook(make_dataset("other", everyone=None))
    sent = webhooks.ping(foreign, by=None)
    Delivery.objects.update(state=DeliveryState.FAILED)
    assert URL not in client.get(page()).content.decode()
    post(client, do="remove", webhook=foreign.pk)
    post(client, do="retry", delivery=sent.pk)
    assert Webhook.objects.count() == 1
    assert Delivery.objects.get().state == DeliveryState.FAILED


def test_only_leads_find_the_page(client: Client, dataset: Dataset) -> None:
    reviewer = make_user("ben")
    members.set_role(dataset, reviewer, MemberRole.REVIEWER, by=None)
    client.force_login(reviewer)
    assert client.get(page()).status_code == 403
    queue = client.get(reverse("dataset-detail", args=["mine"])).content.decode()
    assert page() not in queue
