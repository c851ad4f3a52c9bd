"""Beside a run: says that its worker lives and what it is at, and ends it once nobody waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.utils import timezone

from executor import sandbox
from executor.enums import Device, Part
from executor.models import Run
from executor.sandbox import Job, JobResult

HEARTBEAT = timedelta(seconds=5)
# How soon a cancelled run's boxes are killed.
LOOK = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Watch:
    """Runs the jobs of one claimed run."""

    run: Run
    stop: sandbox.Stop

    def runner(self, job: Job) -> JobResult:
        """A job in a box, for as long as the run is ours. Raises sandbox.Stopped."""
        candidate = job.runtime == self.run.runtime
        self.tell(Part.CANDIDATE if candidate else Part.REFERENCE)
        # References stay on the CPU: what they are recorded to do is the same for every device.
        if candidate and self.run.device == Device.GPU:
            job = replace(job, device="gpu")
        result = sandbox.run(job, stop=self.stop)
        self.tell(Part.COMPARE)
        return result

    def tell(self, part: Part) -> None:
        """Progress is for people: a database that is away must not break the run."""
        try:
            self._claimed().update(part=part)
        except (DatabaseError, InterfaceError):
            connection.close()

    def beat(self, over: threading.Event) -> None:
        """Until over: look whether the run is still ours, and say so now and then."""
        told = time.monotonic()
        while not over.wait(LOOK.total_seconds()):
            try:
                if not self._claimed().exists():
                    self.stop.set()
                    break
                if time.monotonic() - told > HEARTBEAT.total_seconds():
                    self._claimed().update(heartbeat_at=timezone.now())
                    told = time.monotonic()
            except (DatabaseError, InterfaceError):  # it restarts; a later look finds it again
                connection.close()
        connection.close()

    def _claimed(self) -> QuerySet[Run]:
        return Run.objects.filter(pk=self.run.pk, claim=self.run.claim)


@contextmanager
def watched(run: Run) -> Iterator[Watch]:
    """While the block works on this claimed run."""
    watch, over = Watch(run, sandbox.Stop()), threading.Event()
    thread = threading.Thread(target=watch.beat, args=(over,), name=f"run-{run.pk}", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
