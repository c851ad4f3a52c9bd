"""docs/api.md: every example in it is run, as it stands there."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from curation.enums import DeliveryState, DraftStatus
from curation.models import Category, Dataset, Delivery, Draft, Webhook
from curation.services import review
from curation.services.tokens import make_token
from curation.webhooks import pipeline as webhooks
from executor import pipeline
from executor.enums import RunState
from executor.models import Run
from executor.services import request_run
from tests.factories import make_dataset, make_draft, make_example, make_user
from tests.pages.conftest import PASSED

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = (settings.BASE_DIR / "docs/api.md").read_text()
PYTHON, SHELL = (
    re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.S | re.M) for kind in ("python", "sh")
)
LANGUAGES = ("python", "sh")
PATIENCE = 60


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def env(live_server: LiveServer, ada: User) -> dict[str, str]:
    make_dataset("attention", by=ada)
    Category.objects.create(slug="shapes", name="Shapes")
    _, token = make_token(ada, name="examples", by=ada)
    return os.environ | {"T2J": f"{live_server.url}/api/v1", "TOKEN": token}


def example(language: str, number: int) -> list[str]:
    """The command that runs the numbered example of a language."""
    if language == "python":
        return [sys.executable, "-c", PYTHON[number]]
    return ["sh", "-c", SHELL[number]]


def run(command: list[str], env: dict[str, str], folder: Path) -> list[str]:
    """The lines that it prints."""
    done = subprocess.run(
        command,
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@contextmanager
def verdicts() -> Iterator[None]:
    """Gives every run that is asked for its verdict, as a worker would."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for waiting in Run.objects.filter(state=RunState.QUEUED):
                if claimed := pipeline.claim(waiting.pk):
                    pipeline.store(claimed, PASSED)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_there_are_three_examples_in_both_languages() -> None:
    assert (len(PYTHON), len(SHELL)) == (3, 3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_draft_is_repaired(env: dict[str, str], tmp_path: Path, language: str) -> None:
    draft = make_draft(example=make_example(_dataset()))
    with verdicts():
        said = run(example(language, 0), env, tmp_path)
    assert said[-1] == "verdict: pass"
    step = draft.steps.get()
    assert step.category == Category.objects.get()
    assert step.fixed_code == "print(jnp.ones(2).sum())"
    draft.refresh_from_db()
    assert (draft.status, draft.submitted_by) == (
        DraftStatus.VERIFIED,
        User.objects.get(username="ada"),
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_waits_is_approved(env: dict[str, str], tmp_path: Path, language: str) -> None:
    annotator = make_user("ben")
    drafts = [_submitted(annotator) for _ in range(2)]
    said = run(example(language, 1), env, tmp_path)
    if language == "python":
        assert said == [*(f"approved {draft.pk}" for draft in drafts), "2 examples"]
    else:
        assert said == ["approved", "read again: 200"] * 2
        assert (tmp_path / "attention.json").stat().st_size > 100
    assert {draft.status for draft in Draft.objects.all()} == {DraftStatus.APPROVED}


def _submitted(by: User) -> Draft:
    """A draft that passes and waits for a reviewer."""
    draft = make_draft(example=make_example(_dataset()), by=by)
    code = draft.revisions.get().code
    claimed = pipeline.claim(request_run(draft.example, code, draft=draft, by=by).pk)
    assert claimed is not None
    pipeline.store(claimed, PASSED)
    return review.act(draft, review.ACTIONS["submit"], by=by)


def _dataset() -> Dataset:
    return Dataset.objects.get(slug="attention")


def test_a_webhook_is_registered_and_its_messages_are_genuine(
    env: dict[str, str], ada: User, tmp_path: Path, settings: Any
) -> None:
    settings.T2J_WEBHOOKS_INSIDE = True
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env |= {"HOOK": f"http://127.0.0.1:{port}/", "PORT": str(port)}
    assert run(example("sh", 2), env, tmp_path) == ["waiting", "ping"]
    env["SECRET"] = (tmp_path / "secret.txt").read_text().strip()
    draft = _submitted(make_user("ben"))
    review.act(draft, review.ACTIONS["approve"], by=ada)
    receiver = subprocess.Popen(
        example("python", 2), env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        _wait_for(port)
        for delivery in Delivery.objects.order_by("created_at"):
            webhooks.deliver(str(delivery.pk))
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ping attention None\n"
        assert receiver.stdout.readline() == f"approved attention {draft.pk}\n"
        assert {each.state for each in Delivery.objects.all()} == {DeliveryState.DELIVERED}
        # What another secret signed is not taken.
        Webhook.objects.update(nonce="00000000-0000-0000-0000-000000000000")
        Delivery.objects.update(state=DeliveryState.WAITING)
        first = Delivery.objects.earliest("created_at")
        Delivery.objects.filter(pk=first.pk).update(due_at=first.created_at)
        webhooks.deliver(str(first.pk))
        first.refresh_from_db()
        assert (first.status, first.note) == (403, "The receiver answered 403.")
    finally:
        receiver.kill()
        receiver.wait()


def _wait_for(port: int) -> None:
    for _ in range(PATIENCE * 20):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    raise AssertionError("the receiver does not listen")
