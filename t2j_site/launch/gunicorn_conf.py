"""Settings of the web server."""

import os
import signal
from typing import Any

from t2j_site.counters import here
from t2j_site.launch.process import die_with
from t2j_site.logs import logging_for

workers = int(os.environ.get("T2J_WEB_PROCESSES", "2"))
worker_class = "gthread"
# One import of Django for all processes: a start takes half the time.
preload_app = True
threads = 8
timeout = 120
graceful_timeout = 2
# Would be made in the home directory.
control_socket_disable = True
logconfig_dict = logging_for(
    os.environ.get("T2J_LOG_FORMAT") or "line", os.environ.get("T2J_LOG_LEVEL") or "INFO"
)


def post_fork(server: Any, worker: Any) -> None:
    """A killed master would leave its workers holding the port."""
    die_with(worker.ppid, signal.SIGKILL)
    here.use_place(worker.age)
