"""The ledger's pages: change a step, see what no longer applies, take it back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.enums import Located
from curation.models import AuditEvent, Draft, FixStep
from curation.services.steps import StepText, save_step
from executor.models import Run
from tests.factories import head_of, make_draft

pytestmark = pytest.mark.django_db
DRAFT = "import jax.numpy as jnp\nprint(jnp.ones(3).sum())\nprint(1)\n"
FIXED = DRAFT.replace("ones(3)", "ones(2)")
MORE = FIXED.replace("print(1)", "print(2)")


@pytest.fixture
def draft(person: User) -> Draft:
    draft = make_draft(DRAFT, by=person)
    save_step(draft, base=0, code=FIXED, text=StepText(fix_info="One."), by=person)
    save_step(draft, base=1, code=MORE, text=StepText(fix_info="Two."), by=person)
    return draft


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def change(client: Client, step: FixStep, do: str) -> str:
    url = reverse("step-change", args=[step.pk])
    return text_of(client.post(url, {"do": do}, follow=True))


def test_a_step_is_moved_and_what_is_new_is_run(client: Client, draft: Draft) -> None:
    text = change(client, draft.steps.get(order=2), "up")
    assert "The step was moved up." in text
    assert [step.fix_info for step in draft.steps.order_by("order")] == ["Two.", "One."]
    assert Run.objects.filter(code_hash=draft.revisions.get(number=1).sha256).exists()


def test_what_no_longer_applies_is_shown(client: Client, draft: Draft) -> None:
    save_step(
        draft, base=2, code=MORE.replace("ones(2)", "ones(1)"), text=StepText(fix_info="x"), by=None
    )
    text = change(client, draft.steps.get(order=1), "remove")
    assert "No longer applies: step 2." in text
    assert "Does not apply" in text
    lost = draft.steps.get(order=2)
    assert change(client, lost, "settle").count("Does not apply: left as it is") == 1


def test_a_step_is_merged_then_split(client: Client, draft: Draft) -> None:
    far = "# far\n"
    step = draft.steps.get(order=1)
    assert "was merged with the next" in change(client, step, "merge")
    assert (draft.steps.get(), head_of(draft).number) == (step, 1)
    save_step(draft, base=1, code=MORE + far, text=StepText(fix_info="x"), by=None)
    both = MORE.replace("import", "import  ") + far.replace("far", "near")
    save_step(draft, base=2, code=both, text=StepText(fix_info="y"), by=None)
    url = reverse("step-split", args=[draft.steps.get(order=3).pk])
    assert [hunk.start for hunk in client.get(url).context["hunks"]] == [0, 3]
    client.post(url, {"hunk": "1"})
    assert [step.fix_info for step in draft.steps.order_by("order")][-2:] == ["y", "y"]
    assert head_of(draft).code == both
    assert "near" in draft.steps.get(order=3).fixed_code


def test_neighbouring_lines_of_a_step_are_split(client: Client, draft: Draft) -> None:
    after = MORE.replace("ones(2)", "ones(5)").replace("print(2)", "print(6)")
    save_step(draft, base=2, code=after, text=StepText(fix_info="Both."), by=None)
    step = draft.steps.get(order=3)
    client.post(reverse("step-split", args=[step.pk]), {"hunk": "1"})
    assert [each.fixed_code for each in draft.steps.order_by("order")[2:]] == [
        "print(6)",
        "print(jnp.ones(5).sum())",
    ]
    assert head_of(draft).code == after


def test_the_code_of_a_step_is_edited(client: Client, draft: Draft) -> None:
    step = draft.steps.get(order=1)
    url = reverse("step-code", args=[step.pk])
    form = client.get(url).context["form"]
    assert form["error_code"].value() == "print(jnp.ones(3).sum())"
    client.post(url, {"error_code": step.error_code, "fixed_code": "print(jnp.ones(4).sum())"})
    assert head_of(draft).code == MORE.replace("ones(2)", "ones(4)")
    response = client.post(url, {"error_code": "x", "fixed_code": "x"}, follow=True)
    assert "the step would do nothing" in text_of(response)


def test_an_imported_step_is_put_where_it_belongs(client: Client, person: User) -> None:
    draft = make_draft(DRAFT, by=person)
    step = FixStep.objects.create(
        draft=draft,
        order=1,
        error_code="print( jnp.ones(3).sum() )",
        fixed_code="print(jnp.ones(2).sum())",
        located=Located.WHITESPACE,
    )
    url = reverse("step-code", args=[step.pk])
    form = client.get(url).context["form"]
    assert (form["first_line"].value(), form["last_line"].value()) == (2, 2)
    assert "What the proposed place would become" in text_of(client.get(url))
    filled = {name: form[name].value() for name in form.fields}
    client.post(url, filled)
    step.refresh_from_db()
    assert (step.error_code, step.located) == ("print(jnp.ones(3).sum())", Located.EXACT)
    assert head_of(draft).code == FIXED
    wrong = client.post(url, filled | {"last_line": 9})
    assert "lines 1 to 3" in text_of(wrong)


def unplaced(person: User, error_code: str) -> FixStep:
    return FixStep.objects.create(
        draft=make_draft(DRAFT + "print(1)\n", by=person),
        order=1,
        error_code=error_code,
        fixed_code="print(2)",
        located=Located.ABSENT,
    )


def test_an_ambiguous_step_names_its_places(client: Client, person: User) -> None:
    step = unplaced(person, "print(1)")
    url = reverse("step-code", args=[step.pk])
    text = text_of(client.get(url))
    assert "Error_Code stands in several places, among them the lines 3, 4." in text
    chosen = {"error_code": "print(1)", "fixed_code": "print(2)", "first_line": 4, "last_line": 4}
    client.post(url, chosen)
    assert head_of(step.draft).code == f"{DRAFT}print(2)\n"


def test_the_workbench_leads_to_what_has_no_place(client: Client, person: User) -> None:
    step = unplaced(person, "nowhere()")
    bench = reverse("workbench", args=[step.draft_id])
    link = f'href="{reverse("step-code", args=[step.pk])}"'
    text = text_of(client.get(bench))
    assert link in text and "1 step does not apply: find its place" in text
    screen = text_of(client.get(reverse("step-code", args=[step.pk])))
    assert "Leave it as it is" in screen and "proposed place" not in screen
    assert "left as it is" in change(client, step, "settle")
    assert "find its place" not in text_of(client.get(bench))


def test_the_history_takes_back_and_brings_back(client: Client, draft: Draft) -> None:
    change(client, draft.steps.get(order=1), "remove")
    event = AuditEvent.objects.filter(action="step.removed").get()
    history = reverse("draft-history", args=[draft.pk])
    url = reverse("event-undo", args=[event.pk])
    assert url in client.get(history).content.decode()
    text = text_of(client.post(url, follow=True))
    assert "It was taken back." in text and "taken back</span>" in text
    assert head_of(draft).code == MORE
    assert url not in client.get(history).content.decode()
    assert "taken back already" in text_of(client.post(url, follow=True))


def test_the_dataset_has_a_history(client: Client, draft: Draft) -> None:
    slug = draft.example.dataset.slug
    text = text_of(client.get(reverse("dataset-history", args=[slug])))
    assert "step.saved" in text and "dataset.created" in text


def test_lines_are_those_before_the_step(client: Client, draft: Draft) -> None:
    step = draft.steps.get(order=1)
    lines = client.get(reverse("step-code", args=[step.pk])).context["lines"]
    assert lines == DRAFT.splitlines()
