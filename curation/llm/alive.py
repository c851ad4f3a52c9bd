"""Whether the process that asks for an answer, or works on a batch, still lives."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psutil
from django.db import close_old_connections, connection
from django.utils import timezone

from curation.models import CallBatch

# A request on another machine is given up after its time-out and this.
GRACE = timedelta(minutes=2)
_HEARTBEAT = 3.0


def name_of(pid: int | None = None) -> str:
    """A process of this machine, as calls name it."""
    return f"{socket.gethostname()}:{pid or os.getpid()}"


def is_alive(worker: str, since: datetime, timeout_seconds: float) -> bool:
    """Whether `worker` may still bring the answer that it asked for at `since`."""
    host, _, pid = worker.rpartition(":")
    if host != socket.gethostname():
        return timezone.now() < since + timedelta(seconds=timeout_seconds) + GRACE
    try:
        process = psutil.Process(int(pid))
        # Where the first process reaps nobody, a killed one stays a zombie.
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # A process that began later has taken over the number.
        return bool(process.create_time() <= since.timestamp() + 1)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def beating(batch_id: int) -> Iterator[None]:
    """Tells meanwhile that somebody works on the batch."""
    over = threading.Event()
    threading.Thread(target=beat, args=(batch_id, over), name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def beat(batch_id: int, over: threading.Event) -> None:
    """Tells the pages, and whoever would take over, that this process is at it."""
    while True:
        try:
            CallBatch.objects.filter(pk=batch_id).update(heartbeat_at=timezone.now())
        except Exception:  # the database restarts; the next beat finds it again
            close_old_connections()
        if over.wait(_HEARTBEAT):
            break
    connection.close()
