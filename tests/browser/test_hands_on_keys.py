"""Shortcuts, the palette, how few actions a step takes, and what keeps people out."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.models import Category, Dataset, Draft
from curation.services.steps import StepText, save_step
from executor import pipeline
from executor.parity.outcome import Kind, Stage, failed
from executor.services import request_run
from tests.factories import DRAFT, FIXED, head_of, make_draft

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WAIT = 60_000
BROKEN = failed(
    Stage.RUN,
    Kind.RUNTIME_ERROR,
    "AttributeError: module 'jax.numpy' has no attribute 'onez'",
    exception_type="AttributeError",
    traceback="Traceback:\nAttributeError: module 'jax.numpy' has no attribute 'onez'",
    error_line=2,
)


@pytest.fixture
def draft(transactional_db: None) -> Draft:
    """A draft whose failure is known, so that everything of its first step can be filled in."""
    Category.objects.create(slug="api", name="API misuse")
    draft = make_draft()
    run = pipeline.claim(request_run(draft.example, DRAFT, draft=draft, by=None).pk)
    assert run is not None and pipeline.store(run, BROKEN)
    return draft


def open_bench(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    expect(page.locator("#kept")).to_contain_text("As revision")


# Notes a click (a double click is one) and a key that types nothing: what is not typing.
COUNT_ACTIONS = """
addEventListener("mousedown", (event) => { if (event.detail === 1) acted("click"); }, true);
addEventListener("keydown", (event) => {
  if (["Control", "Shift", "Alt", "Meta"].includes(event.key)) return;
  if (event.ctrlKey || event.metaKey || event.key.length > 1) acted(event.key);
}, true);
"""


def test_a_one_line_fix_takes_four_actions_at_most(signed_in: Page, draft: Draft) -> None:
    """From the open draft to the saved step, besides typing the fix and Fix_info."""
    page, actions = signed_in, list[str]()
    page.expose_function("acted", lambda action: actions.append(action))  # noqa: PLW0108
    page.add_init_script(COUNT_ACTIONS)
    open_bench(page, draft)
    # Another layer of the editor lies over its text and takes the click for it.
    wrong = page.locator("#code + .ace-host .ace_numeric", has_text="3")
    wrong.dblclick(force=True)
    page.keyboard.type("2")
    page.keyboard.press("Control+s")
    words = page.get_by_role("dialog").get_by_label("Fix_info")
    expect(words).to_be_focused(timeout=WAIT)
    page.keyboard.type("Two elements, not three.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("from revision 1")).to_be_visible(timeout=WAIT)
    step = draft.steps.get()
    assert (step.error_code, step.fixed_code) == (
        "print(jnp.ones(3).sum())",
        "print(jnp.ones(2).sum())",
    )
    assert step.error.startswith("AttributeError") and step.traceback
    assert (str(step.category), step.fix_info) == ("API misuse", "Two elements, not three.")
    assert actions == ["click", "s", "Enter"], "at most four may ever be needed"


def test_a_shortcut_is_changed_and_none_fires_in_a_field(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    shown = page.locator("[data-left='0']")
    page.locator("#review-title").click()
    page.keyboard.press("d")
    expect(shown).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("r")
    expect(shown).to_have_attribute("aria-pressed", "false")
    page.locator("#comment-text").focus()
    page.keyboard.type("d?")
    expect(page.locator("#comment-text")).to_have_value("d?")
    expect(shown).to_have_attribute("aria-pressed", "false")
    page.locator("#review-title").click()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    sheet.get_by_label("Change the shortcut of Compare with the draft").click()
    page.keyboard.press("r")
    expect(sheet.get_by_role("alert")).to_contain_text("is the shortcut of")
    page.keyboard.press("x")
    sheet.get_by_role("button", name="Close").click()
    page.keyboard.press("x")
    expect(shown).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("#kept")).to_contain_text("As revision")
    page.keyboard.press("x")
    expect(shown).to_have_attribute("aria-pressed", "true")


def test_the_palette_finds_and_runs_a_command(signed_in: Page, draft: Draft) -> None:
    page = signed_in
    open_bench(page, draft)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find a command").fill("hist")
    expect(page.locator("#commands [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def addresses(draft: Draft, dataset: Dataset) -> Iterator[str]:
    step = draft.steps.get()
    for name in (
        "dataset-list",
        "dataset-new",
        "taxonomy",
        "tokens",
        "fleet",
        "prompt-list",
        "experiment-list",
    ):
        yield reverse(name)
    yield f"{reverse('taxonomy-split')}?place=c{Category.objects.get().pk}"
    for name in (
        "dataset-detail",
        "dataset-members",
        "dataset-webhooks",
        "dataset-history",
        "dataset-trash",
        "dataset-agreement",
        "dataset-dashboard",
        "dataset-rows",
        "dataset-plan",
        "dataset-exports",
        "dataset-releases",
        "experiment-new",
        "dataset-import",
        "example-new",
    ):
        yield reverse(name, args=[dataset.slug])
    yield reverse("dataset-published", args=[dataset.slug, "fixcost"])
    for name in ("workbench", "draft-compare", "draft-history", "draft-adjudicate"):
        yield reverse(name, args=[draft.pk])
    for name in ("step-edit", "step-code", "step-split"):
        yield reverse(name, args=[step.pk])
    yield reverse("revision-detail", args=[draft.pk, 0])
    yield reverse("run-detail", args=[draft.runs.earliest("pk").pk])
    for name in ("example-detail", "draft-new", "contract-edit", "example-prompt"):
        yield reverse(name, args=[draft.example_id])


def serious(page: Page) -> list[Any]:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [
        (page.url, each["id"], [node["html"][:150] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def stepped(draft: Draft) -> Draft:
    """The draft with a step, whose run waits: every page has something to show."""
    text = StepText(fix_info="Why.", category=Category.objects.get())
    save_step(draft, base=0, code=FIXED, text=text, by=None)
    request_run(draft.example, head_of(draft).code, draft=draft, by=None)
    return draft


def test_axe_finds_nothing_serious_on_any_page(signed_in: Page, stepped: Draft) -> None:
    page, draft, problems = signed_in, stepped, []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for address in addresses(draft, draft.example.dataset):
            answer = page.goto(address)
            assert answer is not None and answer.status == 200, address
            page.wait_for_load_state("load")
            problems += [(theme, *each) for each in serious(page)]
    assert problems == []


def test_no_page_is_wider_than_a_narrow_window(signed_in: Page, stepped: Draft) -> None:
    """WCAG 1.4.10: 320 pixels, as with a zoom of 400 %; tables and code scroll on their own."""
    page, wider = signed_in, []
    page.set_viewport_size({"width": 320, "height": 800})
    for address in addresses(stepped, stepped.example.dataset):
        page.goto(address)
        if page.evaluate("document.documentElement.scrollWidth") > 320:
            wider.append(address)
    assert wider == []
