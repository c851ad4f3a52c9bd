"""Everything is killed in the middle of a batch; every run ends with one stored result."""

import os
import signal
from collections.abc import Callable

import psutil
import pytest

from t2j_site.launch.folder import Folder
from tests.servers import RABBITMQ, RabbitMQ, Server, Site, kill, site, start, valkey
from tests.waiting import until
from tests.workers import kill_all, unreaped_orphans

# T2J_FAULT_RUNS=200 for the long way.
RUNS = int(os.environ.get("T2J_FAULT_RUNS", "30"))
MAKE = f"""
from tests.factories import make_dataset, make_draft, make_example
example = make_example(make_dataset("faults"), code="import torch\\nprint(2.5)\\n")
for number in range({RUNS}):
    make_draft(f"import jax\\nprint(2.5)  # {{number}}\\n", example=example)
"""
FINISHED = "select count(*) from executor_run where state = 'finished'"

rabbitmq_is_here = pytest.mark.skipif(not RABBITMQ.exists(), reason="no rabbitmq-server here")


@pytest.mark.services
@pytest.mark.parametrize(
    "broker", [valkey, pytest.param(RabbitMQ, marks=rabbitmq_is_here)], ids=["valkey", "rabbitmq"]
)
def test_whatever_is_killed_every_run_ends_with_one_result(
    broker: Callable[[Folder], Server],
) -> None:
    with unreaped_orphans(), site(broker) as here:
        here.manage("migrate", "--verbosity=0")
        here.manage("shell", "--no-imports", "-c", MAKE)
        worker = here.worker()
        try:
            here.manage("run_dataset", "faults")
            until_finished(here, 1 / 6)
            kill_zygote(worker)
            until_finished(here, 2 / 6)
            kill_pool_process(worker)
            until_finished(here, 3 / 6)
            kill_all(worker)
            worker.wait()
            worker = here.worker()
            until_finished(here, 4 / 6)
            kill(here.broker)
            start(here.broker)
            until_finished(here, 5 / 6)
            kill(here.database)
            start(here.database)
            until_finished(here, 1)
        finally:
            kill_all(worker)
            worker.wait()
        check_results(here)


def until_finished(here: Site, share: float) -> None:
    until(lambda: here.ask(FINISHED) >= share * RUNS)


def check_results(here: Site) -> None:
    assert here.ask("select count(*) from executor_run") == RUNS
    assert here.ask("select count(distinct run_id) from executor_verdict") == RUNS
    assert here.ask("select count(*) from executor_verdict") == RUNS
    broken = "select count(*) from executor_verdict where reason = 'infrastructure'"
    assert here.ask(broken) == 0


def kill_pool_process(worker: psutil.Popen) -> None:
    """One of the processes that verify."""
    _first(worker, "t2j_site.launch.worker").kill()


def kill_zygote(worker: psutil.Popen) -> None:
    """A warm interpreter that runs are forked from, in the midst of its runs."""
    _first(worker, "inner.room").send_signal(signal.SIGKILL)


def _first(worker: psutil.Popen, told_by: str) -> psutil.Process:
    found: list[psutil.Process] = []

    def look() -> bool:
        for process in worker.children(recursive=True):
            try:
                if told_by in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return bool(found)

    until(look)
    return found[0]
