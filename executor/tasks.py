"""Celery tasks and the life of a worker: thin, taking ids, safe to deliver twice."""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from amqp.exceptions import ChannelError
from celery import current_app, shared_task
from celery.signals import worker_process_init, worker_ready, worker_shutting_down
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from executor import fleet, pipeline, reaper
from executor.enums import Device, RunState
from executor.models import Run

logger = logging.getLogger(__name__)

REAP_EVERY = timedelta(seconds=5)
_stopping = threading.Event()


def enqueue(run: Run) -> None:
    """Send the run to a worker once the present transaction is stored.

    A broker that cannot be reached loses nothing: the run stays queued in the database and the
    reaper sends it again.
    """
    transaction.on_commit(partial(_send_new, run))


def enqueue_all(runs: Sequence[Run]) -> None:
    """The same for many; once the broker cannot be reached, the rest waits for the reaper, too."""
    transaction.on_commit(partial(_send_all_new, runs))


def _send_all_new(runs: Sequence[Run]) -> None:
    sent = [run.pk for run in takewhile(_send, runs)]
    Run.objects.filter(pk__in=sent, state=RunState.QUEUED).update(sent_at=timezone.now())


def _send_new(run: Run) -> None:
    if _send(run):
        Run.objects.filter(pk=run.pk, state=RunState.QUEUED).update(sent_at=timezone.now())


def _send(run: Run) -> bool:
    # Redis serves small numbers first, AMQP large ones.
    priority = 9 - run.priority if settings.BROKER_IS_AMQP else run.priority
    try:
        verify_run.apply_async((run.pk,), queue=run.device, priority=priority, retry=False)
    except OperationalError as error:
        logger.warning("run %s waits for the broker: %s", run.pk, error)
        return False
    return True


@shared_task(name="executor.tasks.verify_run")
def verify_run(run_id: int) -> None:
    pipeline.execute(run_id)


@shared_task(name="executor.tasks.run_import")
def run_import(job_id: int) -> None:
    from executor import import_jobs  # it asks for runs, which are sent from here

    import_jobs.run(job_id)


@worker_process_init.connect
def warm_up(**_: object) -> None:
    """Start the warm interpreters beside the first task: the worker must answer within seconds."""
    threading.Thread(target=pipeline.warm_up, daemon=True).start()


@worker_ready.connect
def look_after_runs(sender: Any, **_: object) -> None:
    """Every worker reaps by itself: a lost run must not depend on yet another process living."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    me = fleet.Myself(queues, int(sender.controller.concurrency))
    threading.Thread(target=_keep_reaping, args=(me,), name="reaper", daemon=True).start()


@worker_shutting_down.connect
def stop_reaping(**_: object) -> None:
    _stopping.set()


def _keep_reaping(me: fleet.Myself) -> None:
    while not _stopping.is_set():
        try:
            me.say_alive()
            reap()
        except Exception:  # the database restarts, or worse: the next look must come all the same
            logger.exception("lost runs cannot be looked for")
        finally:
            connection.close()
        _stopping.wait(REAP_EVERY.total_seconds())
    me.say_goodbye()
    connection.close()


def reap() -> None:
    """Take back what lost workers had, and send what no message tells of."""
    reaper.take_back_lost()
    for run in reaper.take_unsent(_idle_queues()):
        if not _send(run):
            Run.objects.filter(pk=run.pk, state=RunState.QUEUED).update(sent_at=None)


def _idle_queues() -> list[str]:
    """Queues without a waiting message; none while the broker is away."""
    with current_app.connection_for_read() as broker:
        try:
            return [device for device in Device.values if not _waiting(broker, device)]
        except broker.connection_errors as error:
            logger.warning("the broker is away: %s", error)
            return []


def _waiting(broker: Any, queue: str) -> int:
    with broker.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except ChannelError as error:
            if str(error.reply_code) != "404":  # one transport says it as a text
                raise
            return 0
