"""The machines' door for deliveries: claim one, send it, write down what came of it."""

import http.client
import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from curation.enums import DeliveryState
from curation.models import Delivery, Webhook
from curation.webhooks.address import AddressRefused, look_up
from curation.webhooks.post import post, sign

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 9
# While an attempt runs nobody else takes the delivery; a lost worker's is taken again after this.
CLAIMED_FOR = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=1)


def secret_of(webhook: Webhook) -> str:
    """What messages to a webhook are signed with."""
    return salted_hmac("t2j.webhook", str(webhook.nonce), algorithm="sha256").hexdigest()


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: it doubles from T2J_WEBHOOK_BACKOFF on."""
    first = timedelta(seconds=settings.T2J_WEBHOOK_BACKOFF)
    return min(first * (1 << (attempts - 1)), LONGEST_PAUSE)


def deliver(delivery_id: str) -> None:
    """One attempt. A second message about it finds nothing to do."""
    delivery = _claim(delivery_id)
    if delivery is None:
        return
    webhook = delivery.webhook
    if not webhook.enabled:
        _store(delivery, None, "The webhook was switched off.", final=True)
        return
    try:
        status = _send(delivery)
    except (AddressRefused, OSError, http.client.HTTPException) as error:
        _store(delivery, None, f"{type(error).__name__}: {error}")
        return
    _store(delivery, status, "" if status // 100 == 2 else f"The receiver answered {status}.")


def _claim(delivery_id: str) -> Delivery | None:
    now = timezone.now()
    mine = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.WAITING, due_at__lte=now)
    if not mine.update(attempts=F("attempts") + 1, due_at=now + CLAIMED_FOR):
        return None
    return Delivery.objects.select_related("webhook").get(pk=delivery_id)


def _send(delivery: Delivery) -> int:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "T2J-studio",
        "T2J-Event": delivery.event,
        "T2J-Delivery": str(delivery.pk),
        "T2J-Signature": sign(secret_of(delivery.webhook), int(time.time()), delivery.body),
    }
    return post(look_up(delivery.webhook.url), delivery.body, headers)


def _store(delivery: Delivery, status: int | None, note: str, *, final: bool = False) -> None:
    now, state = timezone.now(), DeliveryState.WAITING
    if not note:
        state = DeliveryState.DELIVERED
    elif final or delivery.attempts >= MOST_ATTEMPTS:
        state = DeliveryState.FAILED
    # Only the attempt that was claimed may write: a later one has counted on.
    mine = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, state=DeliveryState.WAITING
    )
    mine.update(
        state=state,
        status=status,
        note=note[:500],
        due_at=now + pause_after(delivery.attempts),
        finished_at=None if state == DeliveryState.WAITING else now,
    )
    logger.info("delivery %s attempt %s: %s", delivery.pk, delivery.attempts, note or status)


def due() -> list[str]:
    """Deliveries whose time has come, the oldest first."""
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING, due_at__lte=timezone.now())
    return [str(pk) for pk in waiting.order_by("due_at").values_list("pk", flat=True)[:200]]
