"""What people and programs leave stays text in the browser, and the admin keeps the policy."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation.services import comments
from curation.services.steps import StepText, save_step
from executor import pipeline
from executor.parity.outcome import Kind, Stage, failed
from executor.services import request_run
from tests.factories import PASSWORD, make_draft, make_example, make_user

pytestmark = pytest.mark.browser

PAYLOAD = "\"'><img src=x onerror=\"document.title='xss'\"><xss-probe></textarea></title></script>"


def test_nothing_stored_becomes_markup_in_the_workbench(signed_in: Page) -> None:
    ada = make_user("bob")
    example = make_example(code=f"# {PAYLOAD}\n", by=ada)
    draft = make_draft(f"# {PAYLOAD}\n", example=example, by=ada)
    text = StepText(error=PAYLOAD, fix_info=PAYLOAD)
    save_step(draft, base=0, code=f"# {PAYLOAD}\nx = 1\n", text=text, by=ada)
    comments.add_comment(draft, text=PAYLOAD, by=ada)
    run = pipeline.claim(request_run(example, f"# {PAYLOAD}\nx = 1\n", draft=draft, by=ada).pk)
    verdict = failed(
        *(Stage.RUN, Kind.RUNTIME_ERROR, PAYLOAD),
        traceback=PAYLOAD,
        notes=(PAYLOAD,),
        stdout={"reference": PAYLOAD, "candidate": f"{PAYLOAD}\n"},
    )
    assert run is not None and pipeline.store(run, verdict)
    for name in ("workbench", "draft-history"):
        signed_in.goto(reverse(name, args=[draft.pk]))
        expect(signed_in.locator("body")).to_contain_text("xss-probe")
        assert signed_in.locator("xss-probe").count() == 0
        assert signed_in.title() != "xss"


def test_the_admin_runs_under_the_policy(page: Page, transactional_db: None) -> None:
    """The page fixture fails on every refusal that the browser notes."""
    User.objects.create_superuser("boss", password=PASSWORD)
    page.goto("/admin/")
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    for model in apps.get_app_config("curation").get_models():
        page.goto(reverse(f"admin:curation_{model._meta.model_name}_changelist"))
        expect(page.locator("#changelist")).to_be_visible()
    page.goto(reverse("admin:curation_dataset_add"))
    expect(page.get_by_label("Title")).to_be_visible()
    page.goto(reverse("admin:auth_group_add"))
    page.get_by_label("Name").fill("Reviewers")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
