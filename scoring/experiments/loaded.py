"""Whether the shipped sample is in the database as it lies on disk.

Reading it anew to find that nothing changed would take a good part of every start.
"""

import hashlib
import json
from pathlib import Path

from django.conf import settings

from curation.models import AuditEvent, Dataset, LanguageModel
from curation.services.audit import record
from scoring.experiments.queries import is_drafted
from scoring.models import Experiment

SLUG = "sample"
LOADED = "sample.loaded"
MODELS = 3


def is_current() -> bool:
    """Whether what is on disk was loaded last, and nothing of it is missing since."""
    dataset = Dataset.objects.filter(slug=SLUG).first()
    if dataset is None:
        return False
    return _last(dataset) == fingerprint() and _is_whole(dataset) and _has_experiment()


def remember() -> None:
    """Say that what is on disk is loaded; once, however often it is."""
    dataset = Dataset.objects.get(slug=SLUG)
    if _last(dataset) != fingerprint():
        record(LOADED, dataset, dataset=dataset, by=None, sha256=fingerprint())


def _last(dataset: Dataset) -> str | None:
    """The fingerprint of what was loaded last."""
    events = AuditEvent.objects.filter(dataset=dataset, action=LOADED).order_by("-pk")
    return events.values_list("data__sha256", flat=True).first()


def fingerprint() -> str:
    """Changes with the sample's files, and with the code that reads them."""
    digest = hashlib.sha256()
    for file in _files():
        content = file.read_bytes()
        digest.update(f"{file.relative_to(settings.BASE_DIR)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files() -> list[Path]:
    root: Path = settings.BASE_DIR
    fixtures = [root / "fixtures/taxonomy.json", _sample()]
    recordings = (root / "fixtures/experiments/sample").rglob("*.json*")
    readers = [*(root / "curation/importers").glob("*.py"), *(root / "curation").glob("*.py")]
    experiment = root / "scoring/experiments/sample.py"
    return sorted([*fixtures, *recordings, *readers, experiment])


def _sample() -> Path:
    return Path(settings.BASE_DIR) / "fixtures/sample/sample.json"


def _is_whole(dataset: Dataset) -> bool:
    """Whether no example of the sample was deleted."""
    records = json.loads(_sample().read_text())["Pytorch_to_JAX_Examples"]
    ids = {record["Example_id"] for record in records}
    return dataset.examples.filter(example_id__in=ids).count() == len(ids)


def _has_experiment() -> bool:
    experiment = Experiment.objects.filter(slug=SLUG).select_related("dataset").first()
    models = LanguageModel.objects.filter(base_url=f"recorded:{SLUG}").count()
    return experiment is not None and is_drafted(experiment) and models >= MODELS
