"""Webhooks in a real browser: added and removed with the keyboard's own controls."""

import pytest
from playwright.sync_api import Page, expect

from curation.enums import DeliveryState, WebhookEvent
from curation.models import Delivery, Webhook
from curation.services import webhooks
from curation.webhooks.pipeline import secret_of
from tests.browser.conftest import sign_in
from tests.factories import make_dataset, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_lead_adds_a_webhook_and_reads_its_log(page: Page, transactional_db: None) -> None:
    dataset = make_dataset("mine", everyone=None, by=make_user("ada"))
    sign_in(page, "ada")
    page.goto("/datasets/mine/")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Address").fill("https://8.8.8.8/hook")
    page.get_by_label("A draft is approved").check()
    page.get_by_role("button", name="Add a webhook").click()
    secret = page.get_by_label("The secret", exact=True)
    expect(secret).to_have_value(secret_of(Webhook.objects.get()))
    webhook = webhooks.register(
        dataset, url="https://9.9.9.9/t2j", events=[WebhookEvent.RELEASED], by=None
    )
    webhooks.change(webhook, enabled=False, by=None)
    for state in DeliveryState:
        sent = webhooks.ping(Webhook.objects.earliest("pk"), by=None)
        note = "The receiver answered 503." if state == DeliveryState.FAILED else ""
        Delivery.objects.filter(pk=sent.pk).update(state=state, attempts=2, note=note)
    page.goto("/datasets/mine/webhooks/")
    expect(secret).to_have_count(0)
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("The message is sent again.")).to_be_visible()
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)
    page.get_by_text("More", exact=True).first.click()
    page.get_by_role("button", name="Remove https://8.8.8.8/hook").click()
    expect(page.get_by_text("https://8.8.8.8/hook is removed with its log.")).to_be_visible()
    assert Webhook.objects.get() == webhook
