"""Whether the process that asks for an answer still lives."""

import os
import socket
from datetime import datetime, timedelta

import psutil
from django.utils import timezone

# A request on another machine is given up after its time-out and this.
GRACE = timedelta(minutes=2)


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
