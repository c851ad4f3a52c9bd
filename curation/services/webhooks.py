"""Webhooks: a lead registers addresses that are told of what happens in a dataset."""

import json
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from curation.enums import DeliveryState, WebhookEvent
from curation.models import Dataset, Delivery, Webhook
from curation.services.audit import Actor, record
from curation.tasks import send_delivery
from curation.webhooks.address import AddressRefused, look_up

MOST = 20


class WebhookRefused(Exception):
    """Why a webhook was not stored; the text is for the person who asked."""


def _check(url: str) -> None:
    try:
        look_up(url)
    except AddressRefused as refused:
        raise WebhookRefused(str(refused)) from None


@transaction.atomic
def register(dataset: Dataset, *, url: str, events: Sequence[WebhookEvent], by: Actor) -> Webhook:
    """
    Raises:
        WebhookRefused: nothing may be sent to that address, or there are too many already.
    """
    _check(url)
    if dataset.webhooks.count() >= MOST:
        raise WebhookRefused(f"{dataset.title} has {MOST} webhooks already. Remove one first.")
    webhook = Webhook.objects.create(
        dataset=dataset, url=url, events=_in_order(events), created_by=by
    )
    record("webhook.registered", webhook, dataset=dataset, by=by, url=url, events=webhook.events)
    return webhook


def _in_order(events: Sequence[WebhookEvent]) -> list[str]:
    return [each.value for each in WebhookEvent if each in events]


@transaction.atomic
def change(
    webhook: Webhook,
    *,
    url: str | None = None,
    events: Sequence[WebhookEvent] | None = None,
    enabled: bool | None = None,
    by: Actor,
) -> Webhook:
    """
    Raises:
        WebhookRefused: nothing may be sent to that address.
    """
    webhook = Webhook.objects.select_for_update(of=("self",)).get(pk=webhook.pk)
    if url is not None and url != webhook.url:
        _check(url)
        webhook.url = url
    if events is not None:
        webhook.events = _in_order(events)
    if enabled is not None:
        webhook.enabled = enabled
    webhook.save(update_fields=["url", "events", "enabled"])
    now = {"url": webhook.url, "events": webhook.events, "enabled": webhook.enabled}
    record("webhook.changed", webhook, dataset=webhook.dataset, by=by, **now)
    return webhook


@transaction.atomic
def renew_secret(webhook: Webhook, *, by: Actor) -> Webhook:
    """A new secret; what is signed with the old one is signed no more."""
    webhook.nonce = uuid.uuid4()
    webhook.save(update_fields=["nonce"])
    record("webhook.secret", webhook, dataset=webhook.dataset, by=by)
    return webhook


@transaction.atomic
def remove(webhook: Webhook, *, by: Actor) -> None:
    record("webhook.removed", webhook, dataset=webhook.dataset, by=by, url=webhook.url)
    webhook.delete()


def announce(event: WebhookEvent, dataset: Dataset, *, by: Actor, **told: Any) -> list[Delivery]:
    """Tell every webhook of a dataset that wants to know, once the transaction is stored."""
    wanted = dataset.webhooks.filter(enabled=True, events__contains=[event.value])
    return [_announce_to(webhook, event, by, told) for webhook in wanted]


@transaction.atomic
def ping(webhook: Webhook, *, by: Actor) -> Delivery:
    """Try the address with a message of its own."""
    return _announce_to(webhook, WebhookEvent.PING, by, {})


@transaction.atomic
def retry(delivery: Delivery, *, by: Actor) -> Delivery:
    """Send a message that was given up anew, as if it had just happened; its id stays.

    Raises:
        WebhookRefused: it was not given up, or the webhook is off.
    """
    delivery = Delivery.objects.select_related("webhook__dataset").get(pk=delivery.pk)
    webhook, now = delivery.webhook, timezone.now()
    if not webhook.enabled:
        raise WebhookRefused("The webhook is switched off. Switch it on first.")
    # One that still waits may be under way this very moment: it would be sent twice.
    given_up = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.FAILED)
    if not given_up.update(
        state=DeliveryState.WAITING, attempts=0, due_at=now, note="", finished_at=None
    ):
        raise WebhookRefused("It was delivered, or is tried again by itself.")
    record("webhook.retried", webhook, dataset=webhook.dataset, by=by, delivery=str(delivery.pk))
    transaction.on_commit(partial(send_delivery, str(delivery.pk)))
    delivery.refresh_from_db()
    return delivery


def _announce_to(
    webhook: Webhook, event: WebhookEvent, by: Actor, told: dict[str, Any]
) -> Delivery:
    number, now = uuid.uuid4(), timezone.now()
    body = {
        "event": event.value,
        "delivery": str(number),
        "at": now.isoformat(),
        "dataset": webhook.dataset.slug,
        "by": by.username if by else None,
        **told,
    }
    delivery = Delivery.objects.create(
        pk=number, webhook=webhook, event=event, body=json.dumps(body), due_at=now
    )
    transaction.on_commit(partial(send_delivery, str(number)))
    return delivery
