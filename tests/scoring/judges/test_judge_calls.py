"""Judges over HTTP: several at a time, nonsense asked again, a revoked key, nothing paid twice."""

import threading

import pytest

from curation.enums import ModelRole
from curation.models import LanguageModel
from scoring.models import Score
from scoring.score_tasks import is_free, look_after_scores, outdated, score_experiment
from scoring.scores import update
from tests.llm_server import Behaviour, LlmServer, Request, completion, error
from tests.scoring.tables.build import make_experiment

pytestmark = pytest.mark.django_db(transaction=True)
QUESTIONS = 22


def make_http_judge(server: LlmServer) -> LanguageModel:
    return LanguageModel.objects.create(
        name="strict", role=ModelRole.JUDGE, base_url=server.url, model_id="judge", concurrency=3
    )


def test_a_stopped_run_goes_on_and_no_answer_is_paid_twice(server: LlmServer) -> None:
    experiment = make_experiment("http")
    judge = make_http_judge(server)
    lock, count = threading.Lock(), 0
    revoked = threading.Event()

    def answer(request: Request) -> Behaviour | str:
        nonlocal count
        with lock:
            count += 1
            if count > 9 and not revoked.is_set():
                return error(401, "The key was revoked.", "invalid_api_key")
        return Behaviour(body=completion("Runs.\nScore: 3"))

    server.usual = answer
    server.script.append(Behaviour(body=completion("Perhaps three?")))
    report = update(experiment, metrics=["func_ref"], judges=[judge])
    assert "key" in report.stopped
    before = Score.objects.filter(measure="func_ref").count()
    assert 0 < before < QUESTIONS
    revoked.set()
    report = update(experiment, metrics=["func_ref"], judges=[judge])
    assert report.stopped == ""
    rows = Score.objects.filter(measure="func_ref")
    assert rows.count() == QUESTIONS
    assert set(rows.values_list("value", flat=True)) == {3.0}
    # Each question once, and the one answered with nonsense once more.
    assert sum(server.paid.values()) == QUESTIONS + 1
    assert update(experiment, metrics=["func_ref"], judges=[judge]).stored == 0
    assert sum(server.paid.values()) == QUESTIONS + 1


def test_scores_that_cost_nothing_follow_by_themselves(server: LlmServer) -> None:
    experiment = make_experiment("free")
    LanguageModel.objects.update(base_url=server.url)
    judge = make_http_judge(server)
    assert not is_free(judge)
    assert outdated().filter(pk=experiment.pk).exists()
    score_experiment(experiment.pk)
    assert not outdated().filter(pk=experiment.pk).exists()
    assert server.requests == []
    seen: dict[int, object] = {}
    look_after_scores(seen)
    before = dict(seen)
    look_after_scores(seen)
    assert seen == before
    experiment.settings.get(name="cheap-standard").translations.all()[0].delete()
    look_after_scores(seen)
    assert seen != before
