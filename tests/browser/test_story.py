"""The whole road, as a person walks it: from a broken draft to an exported, verified fix step."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Locator, Page, expect

from curation.models import Dataset, Draft, FixStep, Revision
from executor.models import Run
from tests.browser.conftest import RUN_MS, replace_in_editor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RIGHT = "jnp.mean((pred - y) ** 2)"
WRONG = "jnp.sum((pred - y) ** 2)"
FIX_INFO = "The reference averages the squared error; a sum makes the loss 64 times as large."


def fixed_code() -> str:
    path = Path(settings.BASE_DIR) / "fixtures" / "sample" / "examples" / "e1" / "fixed.py"
    code = path.read_text()
    assert code.count(RIGHT) == 1
    return code


def answer(code: str) -> str:
    """What a model says: prose around a fenced program."""
    return f"Here is the JAX version:\n\n```python\n{code}```\n\nIt averages the loss.\n"


def paste_draft(page: Page, code: str) -> None:
    page.get_by_role("link", name="e1").first.click()
    page.get_by_label("Where you are").get_by_role("link", name="e1").click()
    page.get_by_role("link", name="Paste a draft").click()
    page.get_by_label("The model's whole answer").fill(answer(code))
    page.get_by_label("Model", exact=False).last.fill("small-coder")
    page.get_by_role("button", name="Find the code").click()
    expect(page.get_by_label("The code in it")).to_have_value(code)
    page.get_by_role("button", name="Add draft and run it").click()


def outcome(page: Page) -> Locator:
    return page.locator("#verdict .outcome strong")


def test_repair_a_draft(signed_in: Page, sample: Dataset, worker: None) -> None:
    page = signed_in
    page.reload()
    page.get_by_role("link", name="Sample dataset").click()
    expect(page.get_by_role("table")).to_contain_text("Linear regression with SGD")
    paste_draft(page, fixed_code().replace(RIGHT, WRONG))
    draft = Draft.objects.latest("pk")
    see_it_fail(page)
    break_it(page)
    mend_it(page)
    assert draft.revisions.count() == 1, "running saves nothing"
    save_the_step(page)
    check_step(draft)
    finish(page)
    read_dashboard(page)
    check_export(page)


def see_it_fail(page: Page) -> None:
    """The pasted draft runs by itself, and fails where its values are compared."""
    expect(outcome(page)).to_contain_text("Fail", timeout=RUN_MS)
    expect(page.locator("#verdict .ladder .broken")).to_contain_text("behavioral")
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()


def break_it(page: Page) -> None:
    """The parse stage breaks; its line is marked in the editor, and a screen reader is told."""
    replace_in_editor(page, "import optax", "import optax as")
    page.keyboard.press("Control+Enter")
    expect(outcome(page)).to_contain_text("Fail: SyntaxError", timeout=RUN_MS)
    expect(page.locator("#verdict .ladder .broken")).to_contain_text("parse")
    expect(page.locator(".ace_gutter-cell.ace_error")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("Fail")


def mend_it(page: Page) -> None:
    replace_in_editor(page, "import optax as", "import optax")
    replace_in_editor(page, WRONG, RIGHT)
    expect(page.locator("#stale")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(outcome(page)).to_contain_text("Pass", timeout=RUN_MS)
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()


def save_the_step(page: Page) -> None:
    """It is filled in but for Fix_info; a double click saves it once."""
    page.get_by_role("button", name="Save step 1").click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text(WRONG)
    expect(sheet).to_contain_text(RIGHT)
    expect(sheet.get_by_label("Error optional")).not_to_have_value("")
    category = sheet.get_by_label("Category", exact=True)
    expect(category).not_to_have_value("")
    category.select_option(label="Numerical semantics")
    sheet.get_by_label("Subcategory").select_option(label="Reduction")
    sheet.get_by_label("Fix_info").fill(FIX_INFO)
    sheet.get_by_role("button", name="Save step 1").dblclick()
    expect(page.locator("#kept")).to_contain_text("As revision 1")


def check_step(draft: Draft) -> None:
    """The saved revision shares the verdict of the run before it: no second run."""
    step = FixStep.objects.get(draft=draft)
    assert step.error_code.strip() == f"return {WRONG}"
    assert step.fixed_code.strip() == f"return {RIGHT}"
    head = Revision.objects.get(draft=draft, number=1)
    assert head.code == fixed_code()
    assert Run.objects.filter(code_hash=head.sha256, example=draft.example).count() == 1


def finish(page: Page) -> None:
    expect(outcome(page)).to_contain_text("Pass")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#draft-state")).to_contain_text("In review")


def read_dashboard(page: Page) -> None:
    page.get_by_label("Where you are").get_by_role("link", name="Sample dataset").click()
    page.get_by_role("link", name="Dashboard").click()
    row = page.get_by_role("row").filter(has_text="Numerical semantics").first
    counted = FixStep.objects.filter(category__slug="numerics").count()
    expect(row.get_by_role("cell").first).to_have_text(str(counted))


def check_export(page: Page) -> None:
    page.get_by_role("link", name="Exports").first.click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download sample.json").click()
    exported = json.loads(Path(started.value.path()).read_text())
    records = {each["Example_id"]: each for each in exported["Pytorch_to_JAX_Examples"]}
    assert records["e1"]["LLM_fix_output"] == fixed_code()
    assert [each["Fix_info"] for each in records["e1"]["Errors"]] == [FIX_INFO]
    assert records["e1"]["Errors"][0]["Category"] == "Numerical semantics"
