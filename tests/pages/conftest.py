"""A signed-in client, and a way to finish a run without a worker."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from curation.models import Draft, Revision
from executor import pipeline
from executor.models import Run
from executor.parity.outcome import Kind, Outcome, Stage, failed
from executor.parity.outcome import Verdict as ParityVerdict
from executor.services import request_run
from tests.factories import make_user

PASSED = ParityVerdict(Outcome.PASS, stage=Stage.BEHAVIORAL)
FAILED = failed(
    Stage.RUN,
    Kind.RUNTIME_ERROR,
    "AttributeError: module 'jax.numpy' has no attribute 'onez'",
    exception_type="AttributeError",
    traceback="Traceback:\nAttributeError: module 'jax.numpy' has no attribute 'onez'",
    error_line=2,
)


@pytest.fixture
def person(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def client(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def judged() -> Callable[[Draft, Revision | str, ParityVerdict], Run]:
    """Store a verdict about a revision or a working copy, through the machines' own door."""

    def judge(draft: Draft, code: Revision | str, verdict: ParityVerdict) -> Run:
        text = code.code if isinstance(code, Revision) else code
        run = pipeline.claim(request_run(draft.example, text, draft=draft, by=None).pk)
        assert run is not None
        assert pipeline.store(run, verdict)
        return Run.objects.get(pk=run.pk)

    return judge
