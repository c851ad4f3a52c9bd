"""Celery tasks: thin, taking ids, safe to deliver twice."""

import logging
import threading
import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import DatabaseError, InterfaceError, connection
from kombu.exceptions import OperationalError

from curation.webhooks import pipeline

logger = logging.getLogger(__name__)

# Apart from the runs: a receiver that is slow must not keep a revision from being verified.
QUEUE = "llm"
LOOK_EVERY = 5.0


def send_delivery(delivery_id: str) -> None:
    """Tell a worker to deliver. A broker that is away only delays it: see `look_after`."""
    try:
        # A message that nobody takes is worth nothing after a while: the next look sends another.
        deliver_webhook.apply_async((delivery_id,), queue=QUEUE, retry=False, expires=60)
    except OperationalError as error:
        logger.warning("delivery %s waits for the broker: %s", delivery_id, error)


@shared_task(name="curation.tasks.deliver_webhook")
def deliver_webhook(delivery_id: str) -> None:
    pipeline.deliver(delivery_id)


@worker_ready.connect
def watch(sender: Any = None, **_: object) -> None:
    """A worker that waits for others' servers sends again what is due."""
    queues = getattr(getattr(sender, "app", None), "amqp", None)
    if queues is not None and QUEUE in queues.queues.consume_from:
        threading.Thread(target=_watch, name="webhooks", daemon=True).start()


def look_after(sent: dict[str, float]) -> None:
    """Send what is due; `sent` keeps when, so that a busy worker is not flooded."""
    now = time.monotonic()
    for old in [each for each, at in sent.items() if at < now - 60]:
        del sent[old]
    for delivery_id in pipeline.due():
        if delivery_id not in sent:
            sent[delivery_id] = now
            send_delivery(delivery_id)


def _watch() -> None:
    sent: dict[str, float] = {}
    while True:
        try:
            look_after(sent)
        except (DatabaseError, InterfaceError):
            logger.warning("webhooks are looked after again when the database is back")
            connection.close()
        time.sleep(LOOK_EVERY)
