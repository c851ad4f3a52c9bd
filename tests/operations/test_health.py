"""Alive is not ready: what is missing is named, and nothing else is told."""

from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from executor.models import Worker

pytestmark = pytest.mark.django_db


def missing(client: Client) -> list[str]:
    response = client.get("/readyz")
    answer = response.json()
    assert response.status_code == (503 if answer["missing"] else 200)
    assert answer["ready"] is not bool(answer["missing"])
    told = "".join(answer["checks"].values())
    assert "://" not in told and "127.0.0.1" not in told and "/run" not in told
    return list(answer["missing"])


@pytest.fixture
def anyone() -> Client:
    Worker.objects.create(name="a:1", queues=["cpu"], seen_at=timezone.now())
    return Client()


def test_ready_with_everything(anyone: Client) -> None:
    assert missing(anyone) == []


def test_without_a_worker(anyone: Client) -> None:
    Worker.objects.update(queues=["llm"])
    assert missing(anyone) == ["worker"]


def test_without_a_migration(anyone: Client) -> None:
    newest = MigrationLoader(connection).graph.leaf_nodes("scoring")[0]
    MigrationRecorder(connection).record_unapplied(*newest)
    assert missing(anyone) == ["migrations"]


def test_without_a_broker(anyone: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:9/0")
    assert missing(anyone) == ["broker"]


@pytest.mark.django_db(transaction=True)
def test_without_a_database_it_lives_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    anyone = Client()
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "NAME", "no_such_database")
        assert anyone.get("/healthz").status_code == 200
        assert missing(anyone) == ["database", "migrations", "worker"]
        assert "t2j_database_up 0" in anyone.get("/metrics").content.decode()
    connection.close()


def test_probes_need_no_name_of_the_site_and_no_tls(anyone: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz", "/metrics"):
        assert anyone.get(path, HTTP_HOST="127.0.0.1:8000").status_code == 200
    assert anyone.get("/", HTTP_HOST="127.0.0.1:8000").status_code == 301
