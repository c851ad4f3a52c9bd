"""120 calls: shown while they come, stopped by a person, resumed, none paid twice."""

import re
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as site
from django.test import Client
from django.urls import reverse

from curation.enums import BatchState, CallState
from curation.llm.purse import spend_of
from curation.models import Call, Dataset, LanguageModel
from scoring.enums import TranslationState
from scoring.experiments import queries
from scoring.models import Experiment, Translation
from tests import workers
from tests.factories import make_user
from tests.llm_server import LlmServer
from tests.scoring.experiments.conftest import make_experiment

pytestmark = pytest.mark.django_db(transaction=True)
CALLS = 120


def start(data: Path, log: Path) -> psutil.Popen:
    """`./t2j manage experiment start x --no-wait`, in a process of its own."""
    env = workers.environment() | {"T2J_DATA": str(data), "T2J_LLM_BACKOFF": "0.05"}
    command = [sys.executable, "manage.py", "experiment", "start", "x", "--no-wait"]
    with log.open("ab") as output:
        return psutil.Popen(command, env=env, cwd=site.BASE_DIR, stdout=output, stderr=output)


def shown(client: Client) -> tuple[int, int]:
    """What the page says: answered, of how many."""
    html = client.get(reverse("experiment-detail", args=["x"])).content.decode()
    found = re.search(r"(\d+) of (\d+) answered", html)
    assert found is not None
    return int(found[1]), int(found[2])


def test_a_run_of_120_calls_is_watched_stopped_and_resumed(
    fixed: Dataset, model: LanguageModel, server: LlmServer, settings: Any, tmp_path: Path
) -> None:
    model.concurrency = 4
    model.save()
    # Long enough for a person to stop it in the middle.
    server.delay = 0.2
    experiment = make_experiment(fixed, model, samples=CALLS // 6)
    client = Client()
    client.force_login(make_user("ada"))
    data, log = Path(settings.T2J_DATA), tmp_path / "log"

    process = start(data, log)
    seen: list[tuple[int, int]] = []
    deadline = time.monotonic() + 180
    while not seen or seen[-1][0] < CALLS // 4:
        seen.append(shown(client))
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)
    client.post(reverse("experiment-stop", args=["x"]))
    assert process.wait(120) == 1
    assert seen[-1][1] == CALLS
    assert [over for over, _ in seen] == sorted(over for over, _ in seen)
    said = log.read_text()
    assert "Stopped by ada" in said and "What was answered is kept" in said
    assert f"/{CALLS}" in said, "the terminal shows a bar"

    # What was under way when it was stopped is stored; nothing more was asked.
    asked, (over, _) = len(server.requests), shown(client)
    assert CALLS // 4 <= over <= asked < CALLS
    assert Call.objects.filter(state=CallState.WAITING).count() == CALLS - asked

    assert start(data, log).wait(180) == 0, log.read_text()
    assert shown(client) == (CALLS, CALLS)
    assert len(server.requests) == len(server.paid) == sum(server.paid.values()) == CALLS
    states = Translation.objects.values_list("state", flat=True)
    assert set(states) == {TranslationState.DRAFTED}
    experiment = Experiment.objects.select_related("batch").get()
    assert experiment.batch.state == BatchState.FINISHED
    progress = queries.progress_of(experiment)
    assert progress.spent == spend_of(experiment.batch).paid
    assert float(progress.spent) == pytest.approx(CALLS * (100 * 1 + 20 * 10) / 1e6)
    assert set(Call.objects.values_list("attempts", flat=True)) == {1}
