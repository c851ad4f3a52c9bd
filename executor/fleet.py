"""Which workers live, and what waits for one."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from executor import sandbox
from executor.enums import Device, RunState
from executor.models import Run, Worker

# A worker says that it lives every five seconds.
SILENT_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(slots=True)
class Myself:
    """The worker whose main process this is."""

    queues: Sequence[str]
    concurrency: int
    isolation: str = ""

    @property
    def name(self) -> str:
        return f"{socket.gethostname()}:{os.getpid()}"

    def say_alive(self) -> None:
        if not self.isolation:
            self.isolation = sandbox.isolation_report()["level"]
        now = timezone.now()
        facts = {"queues": list(self.queues), "concurrency": self.concurrency, "seen_at": now}
        Worker.objects.update_or_create(
            name=self.name, defaults=facts | {"isolation": self.isolation}
        )
        Worker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()

    def say_goodbye(self) -> None:
        Worker.objects.filter(name=self.name).delete()


def living() -> QuerySet[Worker]:
    return Worker.objects.filter(seen_at__gt=timezone.now() - SILENT_AFTER)


def serves(device: str) -> bool:
    """Whether a living worker takes runs of this device."""
    return living().filter(queues__contains=device).exists()


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, how many runs it holds, and whether a living worker serves it."""

    name: str
    queued: int
    served: bool


def waiting() -> list[Queue]:
    queued = Run.objects.filter(state=RunState.QUEUED)
    return [
        Queue(device, queued.filter(device=device).count(), serves(device))
        for device in Device.values
    ]
