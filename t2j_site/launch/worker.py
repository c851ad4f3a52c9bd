"""A Celery worker whose processes end with it, also when it is killed with SIGKILL.

python -m t2j_site.launch.worker --concurrency 2                # runs on the CPU
python -m t2j_site.launch.worker --concurrency 1 --queues gpu   # runs on this machine's GPUs
"""

import argparse
import os
import signal
import sys

from celery.signals import worker_process_init
from django.conf import settings

from executor import sandbox
from executor.enums import Device
from executor.sandbox import devices
from t2j_site.celery import app
from t2j_site.launch.process import die_with

_MAIN = os.getpid()
# Talking to other workers at start costs a second; nothing here listens to it.
_QUIET = ("--without-gossip", "--without-mingle")


@worker_process_init.connect
def _end_with_worker(**_: object) -> None:
    die_with(_MAIN, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--queues", "-Q", default=Device.CPU.value)
    queues = parser.parse_known_args(arguments)[0].queues.split(",")
    if refused := why_not(queues):
        sys.exit(refused)
    # The banner is for people; collectors of logs read lines of JSON.
    banner = ["--quiet"] if settings.T2J_LOG_FORMAT == "json" else []
    app.worker_main([*banner, "worker", "--loglevel", "INFO", *_QUIET, *arguments])


def why_not(queues: list[str]) -> str:
    """Why this machine cannot serve these queues, "" when it can."""
    if not set(queues) & set(Device.values):
        return ""  # nothing untrusted runs here
    try:
        sandbox.require()
    except sandbox.SandboxUnavailable as error:
        return str(error)
    return why_no_gpu() if Device.GPU in queues else ""


def why_no_gpu() -> str:
    """Why programs cannot use a GPU of this machine, "" when they can."""
    if not devices.found():
        return "This machine has no GPU (/dev/nvidia0 and so on): it cannot serve the queue gpu."
    if missing := devices.missing_node():
        return missing
    level = sandbox.isolation_report()["level"]
    return devices.NO_PROC if level.endswith("memory-rlimit") else ""


if __name__ == "__main__":
    main(sys.argv[1:])
