"""Figures for Prometheus: right, in its format, and not for everyone."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from executor.models import Run, Worker
from executor.services import request_run
from t2j_site import metrics
from t2j_site.counters import Counters
from tests.factories import FIXED, head_of, make_draft
from tests.pages.conftest import PASSED

_SAMPLE = re.compile(
    r'[a-z][a-z0-9_]*(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.]+(e[+-][0-9]+)?'
)


def values(text: str) -> dict[str, float]:
    """Every sample by its name and labels; each line is checked against the format."""
    found = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        assert _SAMPLE.fullmatch(line), line
        name, _, value = line.rpartition(" ")
        assert name not in found
        found[name] = float(value)
    return found


@pytest.mark.django_db
def test_figures(judged: Callable[..., Any]) -> None:
    draft = make_draft()
    judged(draft, head_of(draft), PASSED)
    waiting = request_run(draft.example, FIXED, draft=draft, by=None)
    now = timezone.now()
    Run.objects.filter(pk=waiting.pk).update(queued_at=now - timedelta(minutes=5))
    Worker.objects.create(name="a:1", queues=["cpu", "gpu"], concurrency=3, seen_at=now)
    Worker.objects.create(name="b:1", queues=["cpu"], seen_at=now - timedelta(hours=1))
    found = values(metrics.text())
    assert found["t2j_database_up"] == 1
    assert found['t2j_runs{state="finished",outcome="pass"}'] == 1
    assert found['t2j_runs{state="finished",outcome="fail"}'] == 0
    assert found['t2j_runs{state="queued",outcome=""}'] == 1
    assert found['t2j_queue_runs{queue="cpu"}'] == 1
    assert 300 <= found['t2j_queue_oldest_seconds{queue="cpu"}'] < 400
    assert found['t2j_queue_oldest_seconds{queue="gpu"}'] == 0
    assert 0 <= found['t2j_verdict_latency_seconds{quantile="0.9"}'] < 60
    assert found['t2j_workers{queue="cpu"}'] == 1
    assert found['t2j_worker_places{queue="gpu"}'] == 3


@pytest.mark.django_db
def test_requests_are_counted(client: Client) -> None:
    def count() -> float:
        name = 't2j_http_requests_total{kind="page",method="GET",status="2xx"}'
        return values(client.get("/metrics").content.decode()).get(name, 0)

    before = count()
    client.get("/")
    assert count() == before + 1


def test_what_killed_processes_counted_stays_and_nobody_waits_for_them() -> None:
    counters = Counters()
    for number in (1, 2):
        pid = os.fork()
        if pid == 0:
            counters.use_place(number)
            counters.count("/api/v1/", "GET", 200, 0.2)
            counters._lock.acquire()
            os._exit(9)
        os.waitpid(pid, 0)
    counters.count("/api/v1/", "BREW", 418, 20.0)
    api = next(totals for totals in counters.totals() if totals.kind == "api")
    assert api.requests == {("GET", "2xx"): 2, ("other", "4xx"): 1}
    assert (sum(api.buckets), api.count) == (2, 3)
    assert api.seconds == pytest.approx(20.4)


@pytest.mark.django_db
def test_only_this_machine_or_the_token_reads_them(client: Client, settings: Any) -> None:
    anyone = Client()
    assert anyone.get("/metrics").status_code == 200
    assert anyone.get("/metrics", REMOTE_ADDR="::1").status_code == 200
    elsewhere: list[Any] = [{"REMOTE_ADDR": "10.0.0.8"}, {"REMOTE_ADDR": ""}]
    for far in [*elsewhere, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}]:
        response = client.get("/metrics", **far)  # signed in or not
        assert response.status_code == 403
        assert b"t2j_" not in response.content
    settings.T2J_METRICS_TOKEN = "right"
    assert anyone.get("/metrics").status_code == 403
    for sent, code in (("Bearer right", 200), ("Bearer wrong", 403), ("right", 403)):
        answer = anyone.get("/metrics", REMOTE_ADDR="10.0.0.8", HTTP_AUTHORIZATION=sent)
        assert answer.status_code == code
    assert anyone.post("/metrics").status_code == 405
