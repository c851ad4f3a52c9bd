"""Nothing typed is lost: offline, a dead server, an expired session, two tabs, a reload."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from curation.models import AuditEvent, Category, Draft, WorkingCopy
from curation.services.steps import StepText, save_step
from executor.models import Run
from t2j_site.launch.ports import free_port
from tests.browser.conftest import opened
from tests.factories import DRAFT, FIXED, PASSWORD, make_draft, make_user
from tests.waiting import until_with
from tests.workers import environment, kill_all

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WAIT = 60_000
BOTH = "in this browser and on the server"


@pytest.fixture
def draft(transactional_db: None) -> Draft:
    Category.objects.create(slug="numerics", name="Numerical semantics")
    return make_draft(DRAFT.replace("print", "x = 1\nprint"))


MINE = FIXED.replace("print", "x = 1\nprint")


def open_bench(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    expect(page.locator("#kept")).to_contain_text("As revision")


def type_over(page: Page, code: str) -> None:
    page.wait_for_function("window.t2jEditor")
    page.evaluate("code => { t2jEditor.setValue(code, -1); t2jEditor.focus(); }", code)


def in_editor(page: Page) -> str:
    return str(page.evaluate("t2jEditor.getValue()"))


def forget_this_browser(page: Page) -> None:
    """As on another computer: only what the server kept is there."""
    page.goto("/")
    page.evaluate("localStorage.clear()")


def test_the_server_has_it_too(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, MINE)
    expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
    forget_this_browser(page)
    page.goto(f"/drafts/{draft.pk}/")
    expect(page.get_by_text("is back in the editor")).to_be_visible()
    assert in_editor(page) == MINE


def test_offline_while_typing(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    page.context.set_offline(True)
    type_over(page, MINE)
    expect(page.locator("#kept")).to_contain_text("cannot be reached", timeout=WAIT)
    assert not WorkingCopy.objects.filter(code__isnull=False).exists()
    page.context.set_offline(False)
    expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
    assert WorkingCopy.objects.get(code__isnull=False).code == MINE


def test_a_server_that_breaks_while_typing(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)

    def broken(route: Route) -> None:
        route.fulfill(status=503, body="away")

    page.route("**/copy/", broken)
    type_over(page, MINE)
    expect(page.locator("#kept")).to_contain_text("is asked again", timeout=WAIT)
    page.unroute("**/copy/", broken)
    expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)


def test_an_expired_session_while_typing(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    Session.objects.all().delete()
    type_over(page, MINE)
    expect(page.locator("#kept")).to_contain_text("signed out", timeout=WAIT)
    tab = page.context.new_page()
    tab.goto("/login/")
    tab.get_by_label("Username").fill("ada")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Datasets")).to_be_visible()
    tab.close()
    expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)


def test_two_tabs_lose_neither_edit(signed_in: Page, draft: Draft) -> None:
    one = signed_in
    open_bench(one, draft)
    two = one.context.new_page()
    open_bench(two, draft)
    type_over(one, MINE + "# one\n")
    expect(one.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
    type_over(two, MINE + "# two\n")
    expect(two.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
    codes = WorkingCopy.objects.filter(code__isnull=False).values_list("code", flat=True)
    assert set(codes) == {MINE + "# one\n", MINE + "# two\n"}
    one.close()
    two.reload()
    assert in_editor(two) == MINE + "# two\n"
    other = two.get_by_role("status").filter(has_text="began from revision 0")
    expect(other).to_have_count(1)
    other.get_by_role("button", name="Put it in the editor").click()
    assert in_editor(two) == MINE + "# one\n"


def test_the_open_step_form_survives_a_reload(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, MINE)
    page.get_by_role("button", name="Save step 1").click()
    page.get_by_role("dialog").get_by_label("Fix_info").fill("Half a sentence")
    expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
    page.reload()
    words = page.get_by_role("dialog").get_by_label("Fix_info")
    expect(words).to_have_value("Half a sentence", timeout=WAIT)


def test_a_stale_save_goes_on_with_both_changes(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, MINE)
    theirs = draft.revisions.get(number=0).code.replace("import", "import  ")
    save_step(draft, base=0, code=theirs, text=StepText(fix_info="Theirs."), by=None)
    page.get_by_role("button", name="Save step 1").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    sheet.get_by_label("Fix_info").fill("Mine.")
    sheet.get_by_role("button", name="Save step 2").dblclick()
    expect(sheet).to_contain_text("Revision 1 was saved meanwhile", timeout=WAIT)
    sheet.get_by_role("button", name="Go on with both changes").click()
    expect(page.get_by_text("from revision 1")).to_be_visible()
    assert in_editor(page) == MINE.replace("import", "import  ")
    assert draft.steps.count() == 1


def fill_in_the_step(page: Page) -> None:
    page.get_by_role("button", name="Save step 1").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    sheet.get_by_label("Fix_info").fill("Two elements, not three.")


def test_a_reload_before_the_save_has_arrived(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, MINE)
    fill_in_the_step(page)
    held: list[Route] = []
    page.route(f"**/drafts/{draft.pk}/steps/", lambda route: held.append(route))  # noqa: PLW0108
    page.get_by_role("dialog").get_by_role("button", name="Save step 1").click()
    until_with(page, lambda: held)
    page.reload()
    page.unroute_all(behavior="ignoreErrors")
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_label("Fix_info")).to_have_value("Two elements, not three.", timeout=WAIT)
    assert (in_editor(page), draft.steps.count()) == (MINE, 0)
    expect(sheet.get_by_label("Category", exact=True)).not_to_have_value("")
    sheet.get_by_role("button", name="Save step 1").click()
    expect(page.locator("#kept")).to_contain_text("As revision 1", timeout=WAIT)
    assert draft.steps.get().fix_info == "Two elements, not three."


def test_a_reload_after_the_save_and_before_its_answer(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, MINE)
    fill_in_the_step(page)
    saved: list[int] = []
    page.route(f"**/drafts/{draft.pk}/steps/", lambda route: saved.append(route.fetch().status))
    page.get_by_role("dialog").get_by_role("button", name="Save step 1").click()
    until_with(page, lambda: saved)
    page.unroute_all()
    page.reload()
    expect(page.locator("#kept")).to_contain_text("As revision 1", timeout=WAIT)
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert (saved, in_editor(page), draft.steps.count()) == ([204], MINE, 1)


def test_a_double_click_does_everything_once(signed_in: Page, draft: Draft) -> None:
    page, ada = signed_in, User.objects.get()
    page.on("dialog", lambda dialog: dialog.accept())
    save_step(draft, base=0, code=MINE, text=StepText(fix_info="x"), by=ada)
    save_step(draft, base=1, code=f"{MINE}# 2\n", text=StepText(fix_info="y"), by=ada)
    open_bench(page, draft)
    page.locator("#run").dblclick()
    expect(page.locator("#verdict")).to_contain_text("Queued", timeout=WAIT)
    assert Run.objects.count() == 1

    def twice(button: str, said: str) -> None:
        page.get_by_role("button", name=button, exact=True).dblclick()
        expect(page.get_by_text(said).first).to_be_visible(timeout=WAIT)

    page.get_by_label("Comment", exact=True).fill("Said once.")
    twice("Comment", "Said once.")
    twice("Take this draft", "Give it back")
    twice("Submit", "The draft waits for a reviewer.")
    twice("Withdraw", "The draft is no longer in review.")
    twice("Take back the last step", "was taken back")
    page.get_by_role("link", name="History").first.click()
    page.get_by_role("button", name="Take back step.removed").dblclick()
    expect(page.get_by_text("It was taken back.")).to_be_visible(timeout=WAIT)
    assert list(draft.steps.values_list("fix_info", flat=True)) == ["x", "y"]
    done = ("comment.added", "draft.assigned", "draft.submitted", "draft.withdrawn")
    for action in (*done, "step.removed"):
        assert AuditEvent.objects.filter(action=action).count() == 1, action


class Server:
    """A web server of its own on the test database, to be killed and started again."""

    def __init__(self, log: Path) -> None:
        self.log, self.address = log, f"127.0.0.1:{free_port()}"
        self.process: psutil.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = psutil.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "t2j_site.wsgi:application"),
                    *("--config", "python:t2j_site.launch.gunicorn_conf"),
                    *("--bind", self.address),
                ],
                env=environment() | {"T2J_WEB_PROCESSES": "1"},
                cwd=settings.BASE_DIR,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        if self.process is not None:
            kill_all(self.process)
            self.process.wait()


def test_a_server_that_is_killed_and_started_again(
    chromium: Browser, draft: Draft, tmp_path: Path
) -> None:
    client, server = Client(), Server(tmp_path / "web.log")
    client.force_login(make_user("ada"))
    address = f"http://{server.address}"
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    server.start()
    try:
        with opened(chromium, address) as page:
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": address}
            page.context.add_cookies([cookie])  # type: ignore[list-item]
            until_with(page, lambda: answers(page, draft))
            open_bench(page, draft)
            type_over(page, MINE + "# before\n")
            expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
            server.kill()
            type_over(page, MINE + "# while it was away\n")
            expect(page.locator("#kept")).to_contain_text("cannot be reached", timeout=WAIT)
            page.get_by_role("button", name="Save step 1").click()
            expect(page.locator("#messages")).to_contain_text("The server cannot be reached")
            server.start()
            expect(page.locator("#kept")).to_contain_text(BOTH, timeout=WAIT)
            fill_in_the_step(page)
            page.get_by_role("dialog").get_by_role("button", name="Save step 1").click()
            expect(page.locator("#kept")).to_contain_text("As revision 1", timeout=WAIT)
    finally:
        server.kill()
    assert draft.revisions.get(number=1).code == MINE + "# while it was away\n"


def answers(page: Page, draft: Draft) -> bool:
    try:
        response = page.goto(f"/drafts/{draft.pk}/")
    except PlaywrightError:
        return False
    return response is not None and response.ok
