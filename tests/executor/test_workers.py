"""Runs through real brokers and workers, killed in the middle."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from executor import services
from executor.enums import Part, RunState
from executor.models import Run, Verdict
from executor.parity.outcome import Outcome
from tests.factories import REFERENCE, make_dataset, make_draft, make_example
from tests.waiting import until
from tests.workers import environment, kill_all, unreaped_orphans, worker

BROKERS = {
    "redis": "redis://127.0.0.1:6379/9",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
}
SLOW = "import time\ntime.sleep(4)\nimport jax.numpy as jnp\nprint(float(jnp.ones(2).sum()))\n"

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _zombies() -> Iterator[None]:
    with unreaped_orphans():
        yield


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_killed_workers_lose_nothing_and_store_nothing_twice(broker: str, tmp_path: Path) -> None:
    example = make_example(make_dataset(), code=REFERENCE)
    codes = [f"{SLOW}# {number}\n" for number in range(4)]
    for code in codes:
        make_draft(code, example=example)
    with worker(tmp_path / "first.log", broker=broker, concurrency=2) as process:
        manage("run_dataset", example.dataset.slug, broker=broker)
        until(lambda: Run.objects.filter(state=RunState.RUNNING).count() == 2)
        kill_all(process)
    assert Verdict.objects.count() < len(codes)
    with worker(tmp_path / "second.log", broker=broker, concurrency=2):
        until(lambda: not Run.objects.exclude(state=RunState.FINISHED).exists())
    assert Verdict.objects.count() == len(codes)
    assert Outcome.FAIL not in {verdict.outcome for verdict in Verdict.objects.all()}
    assert max(Run.objects.values_list("attempts", flat=True)) == 2


ASK = """
from curation.models import Example
from executor.enums import Priority
from executor.services import request_run
example = Example.objects.get()
for number in range(3):
    request_run(example, f"print(2.0)  # {number}\\n", priority=Priority.BATCH, by=None)
request_run(example, "print(2.0)  # a person waits", priority=Priority.PERSON, by=None)
"""


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_a_person_goes_before_a_batch_and_a_cancelled_box_is_killed(
    broker: str, tmp_path: Path
) -> None:
    example = make_example(make_dataset(), code=REFERENCE)
    endless = make_draft("while True:\n    pass\n", example=example)
    with worker(tmp_path / "worker.log", broker=broker):
        manage("run_dataset", example.dataset.slug, broker=broker)
        until(lambda: Run.objects.filter(part=Part.CANDIDATE).exists())
        manage("shell", "--no-imports", "-c", ASK, broker=broker)
        assert services.cancel_run(Run.objects.get(draft=endless), by=None)
        until(lambda: Run.objects.filter(state=RunState.FINISHED).count() == 4)
    first = Run.objects.filter(state=RunState.FINISHED).order_by("started_at")[0]
    assert "a person waits" in first.code
    assert not Verdict.objects.filter(run__draft=endless).exists()


def manage(*arguments: str, broker: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, env=environment(broker), cwd=settings.BASE_DIR, check=True)
