"""What the workbench does in the browser: differences, the kept edit, panes, theme, no script."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from curation.models import Category, Draft, Layout, WorkingCopy
from curation.services.steps import StepText, save_step
from tests.factories import DRAFT, FIXED, PASSWORD, make_draft, make_user
from tests.waiting import until_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def draft(transactional_db: None) -> Draft:
    Category.objects.create(slug="numerics", name="Numerical semantics")
    return make_draft()


def open_bench(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    expect(page.locator("#kept")).to_contain_text("As revision")


def type_over(page: Page, code: str) -> None:
    page.wait_for_function("window.t2jEditor")
    page.evaluate("code => { t2jEditor.setValue(code, -1); t2jEditor.focus(); }", code)


def in_editor(page: Page) -> str:
    return str(page.evaluate("t2jEditor.getValue()"))


def test_differences_to_the_draft_are_live(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    page.get_by_role("button", name="Draft", exact=True).click()
    expect(page.locator("#changes")).to_have_text("Same as the draft")
    type_over(page, FIXED)
    expect(page.locator("#changes")).to_have_text("1 change against the draft")
    expect(page.locator(".ace_diff.insert").first).to_be_attached()
    page.get_by_role("button", name="Reference", exact=True).click()
    expect(page.locator("#changes")).to_have_text("")
    expect(page.locator(".ace_diff")).to_have_count(0)
    assert in_editor(page) == FIXED


def test_differences_inline_and_to_the_reference(signed_in: Page, draft: Draft) -> None:
    """What was there stands above what is; the editor stays one, and what is left out is told."""
    page = signed_in
    open_bench(page, draft)
    type_over(page, FIXED)
    page.get_by_role("button", name="Draft", exact=True).click()
    page.get_by_role("button", name="Inline", exact=True).click()
    editor = page.locator("#code + .ace-host")
    expect(editor.locator(".ace_diff.delete").first).to_be_attached()
    expect(editor).to_contain_text("jnp.ones(3)")
    assert in_editor(page) == FIXED
    page.evaluate("t2jEditor.focus(); t2jEditor.navigateFileStart()")
    page.keyboard.type("x = 1\n")
    expect(page.locator("#changes")).to_have_text("2 changes against the draft")
    assert in_editor(page) == f"x = 1\n{FIXED}"
    page.get_by_role("button", name="Reference", exact=True).click()
    page.get_by_role("button", name="Side by side", exact=True).click()
    expect(page.locator("#changes")).to_contain_text("against the reference")
    expect(page.locator(".ace_diff.insert.inline").first).to_be_attached()
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.locator(".ace_diff")).to_have_count(0)
    assert in_editor(page) == f"x = 1\n{FIXED}"
    page.get_by_role("button", name="Draft", exact=True).click()
    expect(page.get_by_role("button", name="Side by side", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_lines_are_taken_into_a_step_by_clicking_them(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, FIXED)
    page.keyboard.press("Control+s")
    sheet = page.get_by_role("dialog")
    sheet.get_by_text("Take in more lines").click()
    expect(sheet.locator(".lines .chosen")).to_have_text("print(jnp.ones(3).sum())")
    sheet.locator(".lines li").first.click()
    sheet.locator(".lines li").last.click()
    sheet.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    sheet.get_by_label("Fix_info").fill("Two, not three.")
    sheet.get_by_role("button", name="Save step 1").click()
    expect(page.get_by_text("from revision 1")).to_be_visible()
    step = draft.steps.get()
    assert (step.error_code, step.fixed_code) == (DRAFT.strip(), FIXED.strip())


def test_an_unsaved_edit_survives_a_reload(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, FIXED)
    expect(page.locator("#kept")).to_contain_text("kept in this browser")
    page.reload()
    expect(page.get_by_text("Your unsaved edit")).to_be_visible()
    assert in_editor(page) == FIXED
    page.get_by_role("button", name="Discard it").click()
    assert in_editor(page) == DRAFT
    until_with(page, lambda: not WorkingCopy.objects.filter(code__isnull=False).exists())
    page.reload()
    expect(page.locator("#kept")).to_contain_text("As revision 0")


def test_an_edit_on_an_older_revision_is_offered_not_lost(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    mine = FIXED + "# mine\n"
    type_over(page, mine)
    expect(page.locator("#kept")).to_contain_text("kept in this browser")
    save_step(draft, base=0, code=FIXED, text=StepText(fix_info="Theirs."), by=None)

    page.get_by_role("button", name="Save step 1").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    sheet.get_by_label("Fix_info").fill("Mine.")
    sheet.get_by_role("button", name="Save step").click()
    expect(sheet.get_by_role("alert")).to_contain_text("Revision 1 was saved meanwhile")
    expect(sheet.get_by_label("Fix_info")).to_have_value("Mine.")
    assert draft.steps.count() == 1

    page.reload()
    page.get_by_role("button", name="Put it in the editor").click()
    assert in_editor(page) == mine


def test_the_layout_and_the_theme_are_remembered(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    verdict = page.locator(".verdict-pane")
    before = verdict.evaluate("pane => pane.clientWidth")
    page.get_by_role("separator", name="Width of the verdict").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert verdict.evaluate("pane => pane.clientWidth") > before + 50
    wide = verdict.evaluate("pane => pane.clientWidth")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    page.reload()
    assert verdict.evaluate("pane => pane.clientWidth") == wide
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    # The server knows the layout, too: another browser starts with it.
    until_with(page, lambda: Layout.objects.filter(right=36).exists())
    page.evaluate("localStorage.clear()")
    page.reload()
    assert verdict.evaluate("pane => pane.clientWidth") == wide


def test_nothing_to_save_is_said(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    page.keyboard.press("Control+s")
    expect(page.get_by_role("dialog")).to_contain_text("same as revision 0")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_lost_connection_is_said_and_the_edit_stays(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, FIXED)
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    assert in_editor(page) == FIXED


def test_an_expired_login_loses_nothing(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    type_over(page, FIXED)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#verdict")).to_contain_text("Queued")
    Session.objects.all().delete()
    expect(page.locator("#verdict")).to_contain_text("You were signed out")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#messages")).to_contain_text("You were signed out")
    assert in_editor(page) == FIXED

    other = page.context.new_page()
    other.goto("/login/")
    other.get_by_label("Username").fill("ada")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="Datasets")).to_be_visible()
    page.bring_to_front()
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#verdict")).to_contain_text("Queued")
    expect(page.locator("#messages")).not_to_contain_text("signed out")


def test_a_step_can_be_saved_without_javascript(
    chromium: Browser, live_server: object, draft: Draft
) -> None:
    make_user("plain")
    context = chromium.new_context(base_url=str(live_server), java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/drafts/{draft.pk}/")
    page.get_by_label("Username").fill("plain")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("textbox", name="JAX working copy").fill(FIXED)
    page.get_by_role("button", name="Save step 1").click()
    page.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    page.get_by_label("Fix_info").fill("Two, not three.")
    page.get_by_role("button", name="Save step 1").click()
    expect(page.get_by_text("Step 1 was saved as revision 1.")).to_be_visible()
    context.close()
    assert draft.revisions.get(number=1).code == FIXED
