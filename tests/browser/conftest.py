"""A real server, a real Celery worker on the test database, and a real Chromium."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from curation.models import Dataset
from tests.factories import PASSWORD, make_user
from tests.waiting import until
from tests.workers import worker as start_worker

# Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]
# A first run starts a runtime and compiles, on a machine that other tests use too.
RUN_MS = 180_000

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("T2J_CHROMIUM") or shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No Chromium: .ci/run installs it.")
        pytest.skip("No Chromium on this machine (apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


class Served:
    """Requests that the live server is working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        request_started.connect(self._begin, weak=False)
        request_finished.connect(self._end, weak=False)

    def _begin(self, **_: object) -> None:
        with self._lock:
            self._now += 1

    def _end(self, **_: object) -> None:
        with self._lock:
            self._now -= 1

    def none(self) -> bool:
        return self._now <= 0


_SERVED = Served()


@contextmanager
def opened(chromium: Browser, server: object) -> Iterator[Page]:
    """A page of a browser profile of its own; the test fails on any script error in it,
    such as what the content policy refuses.
    """
    context = chromium.new_context(base_url=str(server), viewport={"width": 1440, "height": 900})
    # On a machine with much else to do a first page takes its time.
    context.set_default_timeout(120_000)
    page = context.new_page()
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Refusals (409, 422) and lost requests are logged too; the page shows them.
        expected = "Failed to load resource" in message.text or message.text.startswith("htmx:")
        if message.type == "error" and not expected:
            problems.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    # A page saves once more as it closes: emptying the tables under that request deadlocks.
    until(_SERVED.none, 60)
    assert problems == []


@pytest.fixture
def page(chromium: Browser, live_server: object) -> Iterator[Page]:
    """A page of the live server under a strict policy."""
    with opened(chromium, live_server) as page:
        yield page


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A Celery worker process on the test database."""
    with start_worker(tmp_path / "worker.log"):
        yield


@pytest.fixture
def sample(transactional_db: None) -> Dataset:
    """The sample dataset, loaded as `./t2j up` loads it."""
    call_command("load_sample")
    return Dataset.objects.get(slug="sample")


def sign_in(page: Page, username: str) -> Page:
    page.goto("/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
    return page


@pytest.fixture
def signed_in(page: Page, transactional_db: None) -> Page:
    make_user("ada")
    return sign_in(page, "ada")


def replace_in_editor(page: Page, old: str, new: str) -> None:
    """Put the cursor on the text as find does, and type over it."""
    page.wait_for_function("window.t2jEditor")
    found = page.evaluate(
        "text => { const found = t2jEditor.find(text, {wrap: true}); t2jEditor.focus();"
        " return Boolean(found); }",
        old,
    )
    assert found, f"the editor does not hold {old!r}"
    page.keyboard.type(new)
