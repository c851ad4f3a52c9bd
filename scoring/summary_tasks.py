"""Counts of large datasets are made by a worker: a page asks for it and shows what there is."""

import logging

from celery import shared_task
from django.core.cache import cache
from kombu.exceptions import OperationalError

from curation.models import Dataset
from scoring.summaries import rebuild_if_due

logger = logging.getLogger(__name__)

QUEUE = "llm"
# Pages that are loaded meanwhile ask no second time.
ASK_EVERY = 10


@shared_task(name="scoring.tasks.count_dataset")
def count_dataset(dataset_id: int) -> None:
    dataset = Dataset.objects.filter(pk=dataset_id).first()
    if dataset is not None and rebuild_if_due(dataset) is not None:
        logger.info("dataset %s: counted", dataset)


def send(dataset_id: int) -> None:
    """Ask a worker to count a dataset; a message that nobody takes is worth nothing soon."""
    if not cache.add(f"count-dataset-{dataset_id}", 1, ASK_EVERY):
        return
    try:
        count_dataset.apply_async((dataset_id,), queue=QUEUE, retry=False, expires=60)
    except OperationalError as error:
        logger.warning("counts of dataset %s wait for the broker: %s", dataset_id, error)
