"""The whole road of a team: claim, repair, review, two blind repairs, adjudication, export."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from curation.enums import DraftStatus, MemberRole
from curation.management.commands.load_taxonomy import load_taxonomy
from curation.models import Dataset, Draft, FixStep
from curation.services import datasets, members
from tests.browser.conftest import RUN_MS, opened, replace_in_editor, sign_in
from tests.factories import make_dataset, make_draft, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REFERENCE = """import torch

x = torch.arange(4.0)
print(x.mean().item())
print((x * 2).sum().item())
"""
FIXED = """import jax.numpy as jnp

x = jnp.arange(4.0)
print(jnp.mean(x))
print((x * 2).sum())
"""
DRAFT = FIXED.replace("jnp.mean", "jnp.average_of").replace("x * 2", "x * 3")


@pytest.fixture
def dataset(transactional_db: None) -> Dataset:
    load_taxonomy()
    dataset = make_dataset("team", everyone=None)
    for name, role in (
        ("ada", MemberRole.ANNOTATOR),
        ("cleo", MemberRole.ANNOTATOR),
        ("bob", MemberRole.ADMIN),
    ):
        members.set_role(dataset, make_user(name), role, by=None)
    add_draft(dataset, "one")
    return dataset


def add_draft(dataset: Dataset, example_id: str) -> Draft:
    example = datasets.add_example(dataset, example_id=example_id, pytorch_code=REFERENCE, by=None)
    return make_draft(DRAFT, example=example)


def test_a_draft_goes_from_hand_to_hand(
    chromium: Browser, live_server: object, dataset: Dataset, worker: None
) -> None:
    first = Draft.objects.get()
    with ExitStack() as people:
        ada, bob, cleo = (
            sign_in(people.enter_context(opened(chromium, live_server)), name)
            for name in ("ada", "bob", "cleo")
        )
        claim(ada)
        repair_in_two_steps(ada)
        categories = first.steps.order_by("order").values_list("category__slug", flat=True)
        assert list(categories) == ["api", "numerics"]
        send_back(bob, first)
        mend_the_words(ada)
        approve(bob, first)
        second = add_draft(dataset, "two")
        want_two_repairs(bob)
        repair_blind(ada, "Ada says why.")
        cannot_see(cleo, second.repairs.get())
        repair_blind(cleo, "Cleo says why.")
        adjudicate(bob, second)
        approve(bob, second)
        check_export(bob)


def steps_of(draft: Draft) -> list[FixStep]:
    return list(draft.steps.order_by("order").select_related("category"))


def claim(page: Page) -> None:
    page.get_by_role("link", name="Dataset team").click()
    page.get_by_role("button", name="Next draft").click()
    expect(page.locator("#kept")).to_contain_text("As revision 0")
    expect(page.locator(".bench-bar")).to_contain_text("ada")
    expect(page.locator(".ace_editor").first).to_contain_text("torch.arange")


def outcome(page: Page) -> Locator:
    return page.locator("#verdict .outcome strong")


def broken_stage(page: Page) -> Locator:
    return page.locator("#verdict .ladder .broken")


def run(page: Page, expected: str) -> None:
    page.keyboard.press("Control+Enter")
    expect(outcome(page)).to_contain_text(expected, timeout=RUN_MS)
    expect(page.locator("#stale")).to_be_hidden()


def save(page: Page, error: str, category: str, fix_info: str) -> None:
    """Everything but Fix_info is filled in."""
    page.keyboard.press("Control+s")
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_label("Fix_info")).to_be_focused()
    assert error in sheet.get_by_label("Error optional").input_value()
    chosen = sheet.get_by_label("Category", exact=True).locator("option:checked")
    expect(chosen).to_have_text(category)
    page.keyboard.type(fix_info)
    page.keyboard.press("Control+Enter")
    expect(sheet).to_be_hidden()


def repair_in_two_steps(page: Page) -> None:
    page.wait_for_function("window.t2jEditor")
    page.evaluate("t2jEditor.focus()")
    run(page, "Fail: AttributeError")
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_text("4")
    replace_in_editor(page, "import jax.numpy as jnp", "import jax.numpy as")
    run(page, "Fail: SyntaxError")
    expect(broken_stage(page)).to_contain_text("parse")
    replace_in_editor(page, "import jax.numpy as", "import jax.numpy as jnp")
    replace_in_editor(page, "average_of", "mean")
    run(page, "Fail: value mismatch")
    expect(broken_stage(page)).to_contain_text("behavioral")
    expect(page.locator("#verdict .sides .off")).to_have_text("18.0")
    save(page, "AttributeError", "API misuse", "jax.numpy has no average_of.")
    expect(page.locator("#kept")).to_contain_text("As revision 1")
    expect(outcome(page)).to_contain_text("Fail: value mismatch")
    page.evaluate("t2jEditor.focus()")
    replace_in_editor(page, "x * 3", "x * 2")
    run(page, "Pass")
    save(page, "prints 18.0", "Numerical semantics", "Twice, not three times.")
    expect(page.locator("#kept")).to_contain_text("As revision 2")
    submit(page)


def submit(page: Page) -> None:
    expect(outcome(page)).to_contain_text("Pass", timeout=RUN_MS)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("The draft waits for a reviewer.")).to_be_visible()


def send_back(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    page.get_by_label("Comment", exact=True).fill("Which mean is it?")
    page.get_by_label("On a line of revision 2").fill("4")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comments")).to_contain_text("print(jnp.mean(x))")
    page.get_by_label("What is to be changed").fill("Say what is used instead.")
    page.get_by_role("button", name="Return").click()
    expect(page.get_by_text("The draft went back to its annotator.")).to_be_visible()


def mend_the_words(page: Page) -> None:
    page.reload()
    expect(page.locator(".comments")).to_contain_text("Say what is used instead.")
    comment = page.locator(".comments li", has_text="Which mean")
    comment.get_by_role("button", name="line 4").click()
    comment.get_by_role("button", name="Dealt with").click()
    expect(page.locator(".comments .resolved")).to_have_count(1)
    page.locator(".step summary", has_text="API misuse").click()
    page.locator(".step[open]").get_by_role("link", name="Words").click()
    page.get_by_label("Fix_info").fill("jax.numpy has no average_of: jnp.mean is meant.")
    page.get_by_role("button", name="Save changes").click()
    submit(page)


def approve(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("The draft is approved.")).to_be_visible()
    draft.refresh_from_db()
    assert (draft.status, draft.approval_reason) == (DraftStatus.APPROVED, "")


def want_two_repairs(page: Page) -> None:
    page.goto("/datasets/team/members/")
    page.get_by_label("Independent repairs per draft").fill("2")
    page.locator("form", has=page.get_by_label("Independent repairs per draft")).get_by_role(
        "button"
    ).click()
    expect(page.get_by_label("Independent repairs per draft")).to_have_value("2")


def repair_blind(page: Page, fix_info: str) -> None:
    page.goto("/datasets/team/")
    page.get_by_role("button", name="Next draft").click()
    expect(page.get_by_text("Blind repair")).to_be_visible()
    page.wait_for_function("window.t2jEditor")
    page.evaluate("code => { t2jEditor.setValue(code, -1); t2jEditor.focus(); }", FIXED)
    run(page, "Pass")
    page.keyboard.press("Control+s")
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Category", exact=True).select_option(label="Numerical semantics")
    sheet.get_by_label("Fix_info").fill(fix_info)
    sheet.get_by_role("button", name="Save step 1").click()
    expect(page.locator("#kept")).to_contain_text("As revision 1")
    submit(page)


def cannot_see(page: Page, repair: Draft) -> None:
    page.goto(f"/drafts/{repair.pk}/")
    expect(page.get_by_role("heading", name="Nothing is here")).to_be_visible()


def adjudicate(page: Page, draft: Draft) -> None:
    page.goto(f"/drafts/{draft.pk}/")
    page.get_by_role("link", name="2 independent repairs").click()
    expect(page.get_by_text("they do not contradict each other")).to_be_visible()
    theirs = page.get_by_role("region").filter(has_text="Cleo says why.")
    theirs.get_by_role("button", name="Take this one").click()
    expect(page.get_by_text("is the draft's own now")).to_be_visible()
    expect(outcome(page)).to_contain_text("Pass")
    assert [step.fix_info for step in steps_of(draft)] == ["Cleo says why."]


def check_export(page: Page) -> None:
    page.goto("/datasets/team/exports/")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download team.json").click()
    exported = json.loads(Path(started.value.path()).read_text())
    one, two = exported["Pytorch_to_JAX_Examples"]
    assert (one["Example_id"], two["Example_id"]) == ("one", "two")
    for record in (one, two):
        assert record["LLM_weak_output"] == DRAFT
        assert record["LLM_fix_output"] == FIXED
    assert [each["Fix_info"] for each in one["Errors"]] == [
        "jax.numpy has no average_of: jnp.mean is meant.",
        "Twice, not three times.",
    ]
    assert one["Errors"][0]["Error"].startswith("AttributeError")
    assert [each["Category"] for each in one["Errors"]] == ["API misuse", "Numerical semantics"]
    assert [each["Fix_info"] for each in two["Errors"]] == ["Cleo says why."]
