"""An experiment that was scored, with its judge: made once per module, as it was for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from scoring.models import Experiment
from scoring.scores import update
from tests.scoring.tables.build import make_experiment, make_judge


@pytest.fixture
def recordings(settings: Any, tmp_path: Path) -> Path:
    """Where recorded models find their answers."""
    settings.BASE_DIR = tmp_path
    return tmp_path


@pytest.fixture(scope="module")
def _scored(
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Experiment]:
    folder = tmp_path_factory.mktemp("recordings")
    with django_db_blocker.unblock(), override_settings(BASE_DIR=folder), transaction.atomic():
        experiment = make_experiment(request.module.__name__.rpartition(".")[2].replace("_", "-"))
        update(experiment, judges=[make_judge(experiment, folder)])
        yield experiment
        transaction.set_rollback(True)


@pytest.fixture
def scored(_scored: Experiment, db: None) -> Experiment:
    return Experiment.objects.get(pk=_scored.pk)
