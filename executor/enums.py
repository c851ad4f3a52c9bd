"""States of a run. Outcomes, stages and kinds of a verdict are in executor.parity.outcome."""

from django.db.models import TextChoices


class RunState(TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class Device(TextChoices):
    """Where a run is executed; also the name of the queue it waits in."""

    CPU = "cpu", "CPU"
    GPU = "gpu", "GPU"


class Part(TextChoices):
    """What a running run is at."""

    REFERENCE = "reference", "the reference runs"
    CANDIDATE = "candidate", "the candidate runs"
    COMPARE = "compare", "both are compared"


class Priority:
    """Celery priorities; the smaller goes first."""

    PERSON = 0
    BATCH = 6
