"""The workbench's requests: run, save a step, refuse what must not be, finish."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.enums import DraftStatus
from curation.models import AuditEvent, Category, Draft, Subcategory
from curation.services.steps import StepText, save_step
from executor.enums import RunState
from executor.models import Run
from executor.parity.outcome import Kind, Reason, Stage, failed, undecided
from tests.factories import DRAFT, FIXED, head_of, make_draft, make_user
from tests.pages.conftest import FAILED, PASSED

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(person: User) -> Draft:
    return make_draft(by=person)


@pytest.fixture
def api(db: None) -> Category:
    category = Category.objects.create(slug="api", name="API misuse")
    Subcategory.objects.create(category=category, slug="hallucinated-name", name="Hallucinated")
    return category


def step_fields(category: Category, **changes: object) -> dict[str, object]:
    fields = {
        "code": FIXED,
        "base": 0,
        "error": "It printed 3.",
        "fix_info": "Two elements, not three.",
        "category": category.pk,
        "kind": "behaviour",
    }
    return fields | changes


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_running_stores_a_run_and_no_revision(client: Client, draft: Draft) -> None:
    response = client.post(
        reverse("draft-run", args=[draft.pk]), {"code": FIXED, "base": 0}, headers=HTMX
    )
    run = Run.objects.get(draft=draft)
    assert (run.code, run.state) == (FIXED, RunState.QUEUED)
    assert draft.revisions.count() == 1
    assert f'hx-get="/runs/{run.pk}/?draft={draft.pk}"' in text_of(response)
    assert 'hx-trigger="every 400ms"' in text_of(response)


def test_a_plain_run_comes_back_with_its_code(client: Client, draft: Draft) -> None:
    response = client.post(reverse("draft-run", args=[draft.pk]), {"code": FIXED})
    run = Run.objects.get(draft=draft)
    assert response["Location"] == f"/drafts/{draft.pk}/?run={run.pk}"
    assert "jnp.ones(2)" in client.get(response["Location"]).content.decode()


def test_line_ends_of_browsers_make_no_other_code(client: Client, draft: Draft) -> None:
    sent = FIXED.replace("\n", "\r\n")
    client.post(reverse("draft-run", args=[draft.pk]), {"code": sent, "base": 0})
    assert Run.objects.get(draft=draft).code == FIXED


def test_a_windows_file_keeps_its_line_ends(client: Client, person: User, api: Category) -> None:
    windows = DRAFT.replace("\n", "\r\n")
    draft = make_draft(windows, by=person)
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api))
    assert head_of(draft).code == FIXED.replace("\n", "\r\n")


def test_a_finished_run_stops_asking_and_shows_why(
    client: Client, draft: Draft, judged: Callable[..., Any]
) -> None:
    run = judged(draft, head_of(draft), FAILED)
    url = reverse("run-detail", args=[run.pk])
    text = text_of(client.get(url, {"draft": draft.pk}, headers=HTMX))
    assert "hx-trigger" not in text
    assert "Fail: AttributeError" in text
    assert 'data-error-line="2"' in text
    assert "The error is on line 2: <code>print(jnp.ones(3).sum())</code>" in text
    assert '<div id="announce" hx-swap-oob="innerHTML">Fail: AttributeError' in text
    assert 'id="ledger"' in text and 'id="draft-state"' in text


def test_an_undecided_run_says_its_reason(
    client: Client, draft: Draft, judged: Callable[..., Any]
) -> None:
    verdict = undecided(Reason.NEEDS_DATA, "It reads data.csv, which is not attached.")
    run = judged(draft, head_of(draft), verdict)
    text = text_of(client.get(reverse("run-detail", args=[run.pk])))
    assert "Undecided: needs data" in text
    assert "It reads data.csv, which is not attached." in text


def test_a_queued_run_can_be_cancelled_and_asked_again(client: Client, draft: Draft) -> None:
    run_url = reverse("draft-run", args=[draft.pk])
    client.post(run_url, {"code": FIXED}, headers=HTMX)
    run = Run.objects.get(draft=draft)
    text = text_of(client.post(reverse("run-cancel", args=[run.pk]), headers=HTMX))
    assert "Cancelled" in text
    assert "Queued" in text_of(client.post(run_url, {"code": FIXED}, headers=HTMX))
    assert Run.objects.get(draft=draft).state == RunState.QUEUED


def test_what_our_machinery_broke_is_run_again(
    client: Client, draft: Draft, judged: Callable[..., Any]
) -> None:
    judged(draft, FIXED, undecided(Reason.INFRASTRUCTURE, "The worker was lost 3 times."))
    response = client.post(reverse("draft-run", args=[draft.pk]), {"code": FIXED}, headers=HTMX)
    assert "Queued" in text_of(response)
    assert judged(draft, FIXED, PASSED).verdict.outcome == "pass"


def test_the_step_form_is_filled_from_the_edit_and_the_failure(
    client: Client, draft: Draft, api: Category, judged: Callable[..., Any]
) -> None:
    judged(draft, head_of(draft), FAILED)
    response = client.post(
        reverse("step-new", args=[draft.pk]), {"code": FIXED, "base": 0}, headers=HTMX
    )
    form = response.context["form"]
    change = response.context["change"]
    assert (change.error_code, change.fixed_code) == (
        "print(jnp.ones(3).sum())",
        "print(jnp.ones(2).sum())",
    )
    assert form.initial["error"] == "AttributeError: module 'jax.numpy' has no attribute 'onez'"
    assert form.initial["category"] == api.pk
    assert form.initial["subcategory"] == api.subcategories.get().pk
    assert draft.steps.count() == 0


def test_without_a_run_of_the_base_the_last_failure_fills_the_form_in(
    client: Client, draft: Draft, api: Category, judged: Callable[..., Any]
) -> None:
    judged(draft, f"{DRAFT}jnp.onez(1)\n", FAILED)
    judged(draft, FIXED, PASSED)
    response = client.post(reverse("step-new", args=[draft.pk]), {"code": FIXED, "base": 0})
    form = response.context["form"]
    assert form.initial["error"].startswith("AttributeError: module 'jax.numpy'")
    assert "Traceback" in form.initial["traceback"]


def test_what_was_changed_tells_failures_of_values_apart(
    client: Client, draft: Draft, judged: Callable[..., Any]
) -> None:
    numerics = Category.objects.create(slug="numerics", name="Numerical semantics")
    Subcategory.objects.create(category=numerics, slug="reduction", name="Reduction")
    layout = Category.objects.create(slug="layout", name="Layout")
    judged(draft, head_of(draft), failed(Stage.NUMERIC, Kind.VALUE_MISMATCH, "It differs."))
    url = reverse("step-new", args=[draft.pk])

    def suggested(code: str) -> tuple[object, object]:
        initial = client.post(url, {"code": code, "base": 0}).context["form"].initial
        return initial["category"], initial["subcategory"]

    reduction = numerics.subcategories.get().pk
    assert suggested(DRAFT.replace("sum", "mean")) == (numerics.pk, reduction)
    assert suggested(DRAFT.replace("sum()", "sum().reshape(1)")) == (layout.pk, None)
    assert suggested(FIXED) == (numerics.pk, None)


def test_more_lines_can_be_taken_into_a_step(client: Client, draft: Draft, api: Category) -> None:
    fields = step_fields(api, first_line=1, last_line=2)
    client.post(reverse("step-save", args=[draft.pk]), fields)
    step = draft.steps.get()
    assert (step.error_code, step.fixed_code) == (DRAFT.strip(), FIXED.strip())
    assert head_of(draft).code == FIXED


def test_an_edit_of_two_places_becomes_two_steps_in_order_each_run(
    client: Client, draft: Draft, api: Category
) -> None:
    save_step(draft, base=0, code=f"{DRAFT}x = 1\n", text=StepText(fix_info="x"), by=None)
    both = f"# first\n{DRAFT}x = 2\n"
    edit = {"code": both, "base": 1}
    form = text_of(client.post(reverse("step-new", args=[draft.pk]), edit))
    assert "Your edit changes 2 places" in form
    fields = step_fields(api, **edit, hunks=2, hunk=[1], fix_info="The second place.")
    response = client.post(reverse("step-save", args=[draft.pk]), fields)
    assert head_of(draft).code == f"{DRAFT}x = 2\n"
    rest = client.get(response["Location"])
    assert rest.context["code"] == both
    fields = step_fields(api, code=both, base=2, fix_info="The first place.")
    client.post(reverse("step-save", args=[draft.pk]), fields)
    assert head_of(draft).code == both
    assert [step.fix_info for step in draft.steps.order_by("order")][1:] == [
        "The second place.",
        "The first place.",
    ]
    codes = set(Run.objects.filter(draft=draft).values_list("code", flat=True))
    assert codes == {f"{DRAFT}x = 2\n", both}


def test_an_unchanged_code_has_no_step(client: Client, draft: Draft) -> None:
    url = reverse("step-new", args=[draft.pk])
    response = client.post(url, {"code": DRAFT, "base": 0}, headers=HTMX)
    assert response.status_code == 422
    assert "same as revision 0" in text_of(response)
    assert client.post(url, {"code": DRAFT, "base": 0}).status_code == 302


def test_saving_makes_step_and_revision_and_runs_it(
    client: Client, draft: Draft, api: Category, person: User
) -> None:
    response = client.post(reverse("step-save", args=[draft.pk]), step_fields(api), headers=HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (204, f"/drafts/{draft.pk}/")
    step = draft.steps.get()
    assert (step.author, step.fix_info, step.category) == (person, "Two elements, not three.", api)
    assert Run.objects.get(draft=draft).code == FIXED
    assert AuditEvent.objects.filter(action="step.saved", actor=person).count() == 1


def test_a_second_click_saves_nothing_more(client: Client, draft: Draft, api: Category) -> None:
    url = reverse("step-save", args=[draft.pk])
    client.post(url, step_fields(api))
    response = client.post(url, step_fields(api), follow=True)
    assert "Revision 1 holds this code already." in text_of(response)
    assert draft.steps.count() == 1


def test_a_stale_edit_is_kept_and_compared(client: Client, draft: Draft, api: Category) -> None:
    save_step(draft, base=0, code=f"{FIXED}# theirs\n", text=StepText(fix_info="x"), by=None)
    response = client.post(reverse("step-save", args=[draft.pk]), step_fields(api), headers=HTMX)
    text = text_of(response)
    assert response.status_code == 409
    assert "Revision 1 was saved meanwhile" in text
    assert "# theirs" in text
    assert "Two elements, not three." in text
    assert draft.steps.count() == 1


@pytest.mark.parametrize("missing", ["fix_info", "category"])
def test_a_step_needs_its_words(client: Client, draft: Draft, api: Category, missing: str) -> None:
    fields = step_fields(api) | {missing: ""}
    response = client.post(reverse("step-save", args=[draft.pk]), fields, headers=HTMX)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [missing]
    assert draft.steps.count() == 0


def test_a_foreign_subcategory_is_refused(client: Client, draft: Draft, api: Category) -> None:
    other = Category.objects.create(slug="layout", name="Layout")
    fields = step_fields(other, subcategory=api.subcategories.get().pk)
    response = client.post(reverse("step-save", args=[draft.pk]), fields, headers=HTMX)
    assert response.status_code == 422
    assert "is not a subcategory of" in text_of(response)
    assert draft.steps.count() == 0


def test_submit_return_approve_reopen(
    client: Client, draft: Draft, api: Category, judged: Callable[..., Any]
) -> None:
    url = reverse("draft-status", args=[draft.pk])
    second = Client()
    second.force_login(make_user("second"))
    assert "no review" in text_of(client.post(url, {"do": "submit"}, follow=True))
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api))
    judged(draft, head_of(draft), PASSED)
    client.post(url, {"do": "submit"})
    response = client.post(url, {"do": "approve"}, follow=True)
    assert "a second person has to approve it" in text_of(response)
    assert "Say what is to be changed" in text_of(second.post(url, {"do": "return"}, follow=True))
    second.post(url, {"do": "return", "text": "Name the axis."})
    draft.refresh_from_db()
    assert (draft.status, draft.submitted_at) == (DraftStatus.VERIFIED, None)
    assert "Name the axis." in text_of(client.get(reverse("workbench", args=[draft.pk])))
    client.post(url, {"do": "submit"})
    second.post(url, {"do": "approve"})
    draft.refresh_from_db()
    assert (draft.status, draft.submitted_at) == (DraftStatus.APPROVED, None)
    response = client.post(reverse("step-take-back", args=[draft.pk]), follow=True)
    assert "This draft is approved." in text_of(response)
    second.post(url, {"do": "reopen"})
    draft.refresh_from_db()
    assert draft.status == DraftStatus.REPAIRING


def test_the_last_step_can_be_taken_back(client: Client, draft: Draft, api: Category) -> None:
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api))
    client.post(reverse("step-take-back", args=[draft.pk]))
    assert head_of(draft).number == 0
    history = text_of(client.get(reverse("draft-history", args=[draft.pk])))
    assert "step.removed" in history and "Two elements, not three." in history


def test_a_submitted_draft_that_loses_its_last_step_is_in_repair_again(
    client: Client, draft: Draft, api: Category, judged: Callable[..., Any]
) -> None:
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api))
    judged(draft, FIXED, PASSED)
    client.post(reverse("draft-status", args=[draft.pk]), {"do": "submit"})
    client.post(reverse("step-take-back", args=[draft.pk]))
    draft.refresh_from_db()
    assert (draft.status, draft.submitted_at) == (DraftStatus.REPAIRING, None)


def test_a_saved_step_keeps_its_code_when_its_words_change(
    client: Client, draft: Draft, api: Category
) -> None:
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api))
    step = draft.steps.get()
    fields = step_fields(api, fix_info="Better said.", code="not this")
    client.post(reverse("step-edit", args=[step.pk]), fields)
    step.refresh_from_db()
    assert (step.fix_info, head_of(draft).code) == ("Better said.", FIXED)


def test_code_is_shown_as_text(client: Client, person: User) -> None:
    draft = make_draft("</textarea><script>alert(1)</script>\n", by=person)
    text = client.get(reverse("workbench", args=[draft.pk])).content.decode()
    assert "<script>alert(1)</script>" not in text


def test_how_long_a_step_took_is_told_to_its_author_alone(
    client: Client, draft: Draft, api: Category
) -> None:
    client.post(reverse("step-save", args=[draft.pk]), step_fields(api, seconds=77))
    step, other = draft.steps.get(), Client()
    other.force_login(make_user())
    bench, edit = reverse("workbench", args=[draft.pk]), reverse("step-edit", args=[step.pk])
    listed = reverse("api-step-list")
    assert "77 s" in text_of(client.get(bench)) and "77 s" not in text_of(other.get(bench))
    assert 'value="77"' in text_of(client.get(edit))
    assert 'value="77"' not in text_of(other.get(edit))
    assert client.get(listed).json()["results"][0]["seconds"] == 77
    assert other.get(listed).json()["results"][0]["seconds"] is None
    other.post(edit, step_fields(api, fix_info="Theirs.", seconds=1))
    step.refresh_from_db()
    assert (step.fix_info, step.seconds) == ("Theirs.", 77)
    client.post(edit, step_fields(api, seconds=60))
    step.refresh_from_db()
    assert step.seconds == 60
