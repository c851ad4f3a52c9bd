"""Judges whose worker is killed are asked on by another one, and no answer is paid twice."""

import threading
from pathlib import Path
from typing import Any

import pytest

from curation.enums import BatchState, CallState, ModelRole
from curation.models import LanguageModel
from scoring import judging, score_tasks
from scoring.experiments import services
from scoring.judging import purse_of
from scoring.models import Experiment, Score
from scoring.score_tasks import look_after_judges, score_experiment
from tests.llm_server import Behaviour, LlmServer, Request, completion, error
from tests.scoring.experiments.test_faults import asker
from tests.scoring.tables.build import make_experiment
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def experiment(server: LlmServer) -> Experiment:
    experiment = make_experiment("lost")
    LanguageModel.objects.create(
        name="strict", role=ModelRole.JUDGE, base_url=server.url, model_id="judge", concurrency=3
    )
    # No recording judges beside it: each question is one to the server.
    LanguageModel.objects.exclude(name="strict").update(base_url=server.url, enabled=False)
    return experiment


def through(experiment: Experiment) -> bool:
    return bool(purse_of(experiment).state == BatchState.READY)


def test_a_killed_worker_is_followed_by_another_without_a_press(
    experiment: Experiment, server: LlmServer, tmp_path: Path
) -> None:
    gate = threading.Event()
    server.usual = lambda _: Behaviour(body=completion("Better: A\nScore: 3"), wait=gate)
    with asker(tmp_path, "first") as process:
        services.request_scores(experiment, by=None)
        server.wait_for_requests(3)
        process.kill()
    gate.set()
    assert purse_of(experiment).state == BatchState.RUNNING
    with asker(tmp_path, "second"):
        until(lambda: through(experiment))
    # Every call was paid, and paid once: those under way when the worker died, too.
    answered = purse_of(experiment).calls.filter(state=CallState.ANSWERED)
    assert answered.count() == len(server.paid) > 40
    assert set(server.paid.values()) == {1}
    assert Score.objects.filter(measure="func_ref", judge="strict").count() == 22


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """What workers were told, and by none heard."""
    told: list[tuple[int, bool]] = []
    monkeypatch.setattr(score_tasks, "send", lambda pk, *, paid=False: told.append((pk, paid)))
    return told


def test_a_lost_message_is_sent_again_once(
    experiment: Experiment, sent: list[tuple[int, bool]]
) -> None:
    services.request_scores(experiment, by=None)
    sent.clear()
    look_after_judges()
    assert sent == [], "it was asked for this moment"
    purse = type(experiment.batch).objects.filter(pk=purse_of(experiment).pk)
    purse.update(heartbeat_at=purse_of(experiment).heartbeat_at - 2 * judging.LOST_AFTER)  # type: ignore[operator]
    look_after_judges()
    look_after_judges()
    assert sent == [(experiment.pk, True)]


def test_what_stands_in_the_way_is_said_and_not_tried_for_ever(
    experiment: Experiment, server: LlmServer, sent: list[tuple[int, bool]]
) -> None:
    def answer(_: Request) -> Any:
        return error(401, "The key was revoked.", "invalid_api_key")

    server.usual = answer
    services.request_scores(experiment, by=None)
    score_experiment(experiment.pk, paid=True)
    purse = purse_of(experiment)
    assert purse.state == BatchState.STOPPED and "key" in purse.reason
    assert judging.take_lost() == []
    server.usual = lambda _: Behaviour(body=completion("Better: A\nScore: 3"))
    services.request_scores(experiment, by=None)
    score_experiment(experiment.pk, paid=True)
    assert through(experiment)


def test_a_fault_of_ours_is_said_and_not_repeated(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, sent: list[tuple[int, bool]]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(score_tasks, "update", broken)
    services.request_scores(experiment, by=None)
    with pytest.raises(RuntimeError):
        score_experiment(experiment.pk, paid=True)
    assert purse_of(experiment).reason == "It broke off: no such thing"
    assert judging.take_lost() == []


def test_stopped_judges_stay_stopped(
    experiment: Experiment, server: LlmServer, sent: list[tuple[int, bool]]
) -> None:
    services.request_scores(experiment, by=None)
    services.stop_judges(experiment, by=None)
    score_experiment(experiment.pk, paid=True)
    assert purse_of(experiment).state == BatchState.STOPPED
    assert server.requests == [] and judging.take_lost() == []
