"""What may die while an experiment runs: its worker, its database. Nothing is paid twice or lost.

The worker, the broker and the databases are real; the provider is the test's own server.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as site
from django.db import connection

from curation.enums import BatchState, CallState
from curation.llm import pipeline
from curation.llm.journal import Journal
from curation.models import Call, Dataset, LanguageModel
from scoring.enums import TranslationState
from scoring.experiments import services
from scoring.experiments.pipeline import Work
from scoring.models import Experiment, Translation
from tests import workers
from tests.llm_server import CODE, Behaviour, LlmServer, Request, completion
from tests.scoring.experiments.conftest import make_experiment
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def all_drafted(experiment: Experiment) -> bool:
    found = Translation.objects.filter(setting__experiment=experiment)
    states = set(found.values_list("state", flat=True))
    return states == {TranslationState.DRAFTED}


@pytest.fixture
def gate(server: LlmServer, model: LanguageModel) -> Iterator[threading.Event]:
    """Answers wait until it is set."""
    opened = threading.Event()
    server.usual = lambda _: Behaviour(body=completion(CODE), wait=opened)
    model.concurrency = 3
    model.save()
    yield opened
    opened.set()


# Asks an experiment's calls in a process of its own, as `draft` and the workers do.
ASK = """
import sys, django
django.setup()
from scoring.models import Experiment
from scoring.experiments import services
from scoring.experiments.pipeline import Work
experiment = Experiment.objects.select_related("batch", "dataset").get()
services.start(experiment, by=None, here=True)
Work(experiment).run()
"""


@contextmanager
def asking_process(data: Path) -> Iterator[psutil.Popen]:
    env = workers.environment() | {"T2J_DATA": str(data), "T2J_LLM_BACKOFF": "0.05"}
    env["DJANGO_SETTINGS_MODULE"] = "t2j_site.settings"
    process = psutil.Popen([sys.executable, "-c", ASK], env=env, cwd=site.BASE_DIR)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_process_that_is_killed_with_answers_under_way(
    fixed: Dataset, model: LanguageModel, server: LlmServer, gate: threading.Event, settings: Any
) -> None:
    """They were begun, so they are paid: the next process takes them over and asks none again."""
    experiment = make_experiment(fixed, model)
    with asking_process(Path(settings.T2J_DATA)):
        server.wait_for_requests(3)
    assert Call.objects.filter(state=CallState.ASKING).count() == 3
    # Nobody who waits is alive any more; the answers come now.
    gate.set()
    services.start(experiment, by=None, here=True)
    Work(experiment).run()
    assert all_drafted(experiment)
    assert len(server.requests) == len(server.paid) == 6
    assert set(Call.objects.values_list("attempts", flat=True)) == {1}


def test_answers_that_came_while_nobody_listened(
    fixed: Dataset, model: LanguageModel, server: LlmServer, gate: threading.Event, settings: Any
) -> None:
    """They lie in the journal, and the next start stores them before it asks anything."""
    experiment = make_experiment(fixed, model)
    with asking_process(Path(settings.T2J_DATA)):
        server.wait_for_requests(3)
    gate.set()
    journal = pipeline.journal()
    until(lambda: len(list(journal.entries())) == 3)
    server.stop()
    assert pipeline.absorb() == 3
    assert Call.objects.filter(state=CallState.ANSWERED).count() == 3
    assert list(journal.entries()) == []
    server.start()
    services.start(experiment, by=None, here=True)
    Work(experiment).run()
    assert len(server.requests) == 6


def test_a_courier_that_is_killed_is_asked_for_again(
    fixed: Dataset, model: LanguageModel, server: LlmServer, gate: threading.Event, settings: Any
) -> None:
    """What it had under way cannot be known. It is asked again under the same idempotency key."""
    experiment = make_experiment(fixed, model)
    with asking_process(Path(settings.T2J_DATA)) as process:
        server.wait_for_requests(3)
        couriers = [child for child in process.children() if "courier" in " ".join(child.cmdline())]
        for courier in couriers:
            courier.kill()
        server.wait_for_requests(6)
        gate.set()
        assert process.wait(300) == 0
    assert len(couriers) == 1
    assert all_drafted(experiment)
    keys = [request.idempotency_key for request in server.requests]
    assert len(keys) == 9 and len(set(keys)) == 6
    lost = Call.objects.filter(reserved_cost__gt=0)
    assert lost.count() == 3, "what they may have cost is counted"


def test_a_killed_worker_is_followed_by_another(
    fixed: Dataset, model: LanguageModel, server: LlmServer, gate: threading.Event, tmp_path: Path
) -> None:
    """As the launcher runs it: from the page's start to the last draft, with a kill -9 midway."""
    experiment = make_experiment(fixed, model)
    with asker(tmp_path, "first") as process:
        services.start(experiment, by=None)
        server.wait_for_requests(3)
        process.kill()
    gate.set()
    # The page still says that it runs; the next worker sees that nobody does it.
    experiment.batch.refresh_from_db()
    assert experiment.batch.state == BatchState.RUNNING
    with asker(tmp_path, "second"):
        until(lambda: all_drafted(experiment))
        until(lambda: Experiment.objects.get().batch.state == BatchState.FINISHED)
    assert len(server.requests) == len(server.paid) == 6


@contextmanager
def asker(folder: Path, name: str) -> Iterator[psutil.Popen]:
    """A worker for the queue of models, as the launcher starts it."""
    env = workers.environment() | {"T2J_DATA": str(folder), "T2J_LLM_BACKOFF": "0.05"}
    arguments = ["--queues", "llm", "--pool", "threads", "--concurrency", "2"]
    with (folder / f"{name}.log").open("wb") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "t2j_site.launch.worker", *arguments],
            env=env,
            cwd=site.BASE_DIR,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                workers.stop(process)


def test_a_database_that_goes_away_midway(
    fixed: Dataset, model: LanguageModel, server: LlmServer
) -> None:
    """Every connection is cut while answers come in; each answer is stored all the same."""

    def cut(request: Request) -> str:
        if len(server.requests) in (2, 4):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            connection.close()
        return CODE

    server.usual = cut
    model.concurrency = 3
    model.save()
    experiment = make_experiment(fixed, model)
    services.start(experiment, by=None, here=True)
    Work(experiment).run()
    connection.close()
    assert all_drafted(experiment)
    assert len(server.requests) == len(server.paid) == 6
    assert list(Journal(pipeline.journal().folder).entries()) == []
