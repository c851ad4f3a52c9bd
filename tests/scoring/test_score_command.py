"""`score` says the same in every process."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from scoring.models import Experiment, Score, Signature
from tests.scoring.tables.build import make_experiment

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]


def score(experiment: Experiment, seed: int) -> bytes:
    """What the command prints in a process of its own."""
    server = urlsplit(os.environ["DATABASE_URL"])
    database = server._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "score", experiment.slug, "--json"],
        env=os.environ | {"PYTHONHASHSEED": str(seed), "DATABASE_URL": database},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_two_processes_with_different_hash_seeds_print_the_same_bytes() -> None:
    experiment = make_experiment("steady")
    first = score(experiment, 1)
    assert first.count(b"\n") == Score.objects.count() > 100
    Score.objects.all().delete()
    Signature.objects.all().delete()
    assert score(experiment, 2) == first
    # Now everything is current: nothing is computed, and the same is printed.
    assert score(experiment, 3) == first
