"""The sample is loaded anew when it changed on disk or is missing, and else left alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.db import connection
from django.test.utils import CaptureQueriesContext

from curation.models import AuditEvent, Dataset, LanguageModel
from curation.services import trash
from scoring.experiments import loaded
from scoring.models import Experiment, Translation
from t2j_site.launch.prepare import load_sample

pytestmark = pytest.mark.django_db


def loads() -> int:
    return AuditEvent.objects.filter(action=loaded.LOADED).count()


@pytest.fixture
def checkout(tmp_path: Path, settings: Any) -> Path:
    """A copy of what the sample is read from, that a test may change."""
    for name in ("fixtures/sample", "fixtures/experiments", "curation", "scoring"):
        shutil.copytree(site.BASE_DIR / name, tmp_path / name, symlinks=True)
    shutil.copy(site.BASE_DIR / "fixtures/taxonomy.json", tmp_path / "fixtures")
    settings.BASE_DIR = tmp_path
    return tmp_path


def test_the_sample_is_read_again_only_when_something_changed(checkout: Path) -> None:
    assert not loaded.is_current()
    load_sample()
    assert loaded.is_current() and loads() == 1
    with CaptureQueriesContext(connection) as asked:
        load_sample()
    assert len(asked) < 12 and loads() == 1
    # A person's work is no reason; a newer file is, and it is taken in.
    dataset = Dataset.objects.get(slug="sample")
    file = checkout / "fixtures/sample/sample.json"
    content = json.loads(file.read_text())
    content["Pytorch_to_JAX_Examples"][0]["Title"] = "Another title"
    file.write_text(json.dumps(content))
    assert not loaded.is_current()
    load_sample()
    assert dataset.examples.filter(title="Another title").count() == 1
    assert loaded.is_current() and loads() == 2
    for name in ("fixtures/taxonomy.json", "curation/importers/t2j_json.py"):
        with (checkout / name).open("a") as changed:
            changed.write("\n")
        assert not loaded.is_current(), name
        loaded.remember()
        assert loaded.is_current()


def test_what_was_deleted_is_brought_back() -> None:
    load_sample()
    dataset = Dataset.objects.get(slug="sample")
    trash.delete(dataset.examples.earliest("position"), by=None)
    assert not loaded.is_current()
    load_sample()
    assert loaded.is_current() and loads() == 1
    LanguageModel.objects.filter(name="sample-judge").delete()
    assert not loaded.is_current()
    load_sample()
    Translation.objects.earliest("pk").delete()
    assert not loaded.is_current()
    Experiment.objects.all().delete()
    assert not loaded.is_current()
    Dataset.objects.all().delete()
    assert not loaded.is_current()
    load_sample()
    assert loaded.is_current()
    assert Experiment.objects.get().dataset == Dataset.objects.get(slug="sample")
