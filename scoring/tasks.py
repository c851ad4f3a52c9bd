"""Celery tasks: thin, taking ids, safe to deliver twice."""

import logging
import threading
import time
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from curation.enums import BatchState
from curation.llm.calls import LlmError
from scoring.models import Experiment
from scoring.score_tasks import look_after_judges, look_after_scores
from scoring.summary_tasks import count_dataset

__all__ = ["count_dataset", "run_experiment"]

logger = logging.getLogger(__name__)

# Apart from the runs: waiting for a provider must not keep a revision from being verified.
QUEUE = "llm"
# A task works for so long and then sends itself again, so that no queue takes it for lost.
SLICE_SECONDS = 120.0
LOST_AFTER = timedelta(seconds=15)
LOOK_EVERY = 5.0


def send_experiment(experiment_id: int) -> None:
    """Tell a worker to go on with an experiment. A broker that is away only delays it."""
    try:
        run_experiment.apply_async((experiment_id,), queue=QUEUE, retry=False)
    except OperationalError as error:
        logger.warning("experiment %s waits for the broker: %s", experiment_id, error)


@shared_task(name="scoring.tasks.run_experiment")
def run_experiment(experiment_id: int) -> None:
    from scoring.experiments.pipeline import Work

    experiment = Experiment.objects.select_related("batch", "dataset").get(pk=experiment_id)
    if experiment.batch.state != BatchState.RUNNING:
        return
    try:
        done = Work(experiment, deadline=time.monotonic() + SLICE_SECONDS).run()
    except LlmError as error:
        logger.info("experiment %s stopped: %s", experiment, error)
        return
    if not done:
        send_experiment(experiment_id)


def send_export(job_id: int) -> None:
    """Tell a worker to make an export. A broker that is away only delays it."""
    try:
        run_export.apply_async((job_id,), queue=QUEUE, retry=False)
    except OperationalError as error:
        logger.warning("export %s waits for the broker: %s", job_id, error)


@shared_task(name="scoring.tasks.run_export")
def run_export(job_id: int) -> None:
    from scoring.exports.pipeline import execute

    execute(job_id)


def look_after_exports() -> None:
    """Exports of lost workers wait again, and what no message tells of is sent."""
    from scoring.exports import pipeline

    pipeline.take_back_lost()
    for job_id in pipeline.take_unsent():
        send_export(job_id)


def look_after_experiments() -> None:
    """Send again what is running and nobody works on: its worker died or its message was lost."""
    lost = Experiment.objects.filter(
        batch__state=BatchState.RUNNING, batch__heartbeat_at__lt=timezone.now() - LOST_AFTER
    )
    for experiment in lost:
        # Whoever updates first sends it; the others see a fresh heartbeat.
        mine = type(experiment.batch).objects.filter(
            pk=experiment.batch_id, heartbeat_at__lt=timezone.now() - LOST_AFTER
        )
        if mine.update(heartbeat_at=timezone.now()):
            send_experiment(experiment.pk)


@worker_ready.connect
def watch(sender: Any = None, **_: object) -> None:
    """A worker that asks models looks after lost experiments, too."""
    queues = getattr(getattr(sender, "app", None), "amqp", None)
    if queues is not None and QUEUE in queues.queues.consume_from:
        threading.Thread(target=_watch, name="experiments", daemon=True).start()


def _watch() -> None:
    seen: dict[int, object] = {}
    while True:
        try:
            look_after_experiments()
            look_after_judges()
            look_after_scores(seen)
            look_after_exports()
        except (DatabaseError, InterfaceError):
            logger.warning("experiments and exports wait for the database")
            connection.close()
        time.sleep(LOOK_EVERY)
