"""The queue's filters: each narrows, each counts over the whole dataset, all as links."""

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from curation.models import AuditEvent, Category, Dataset, Draft, Example
from curation.services.assignment import assign_all
from curation.services.ledger import remove_step
from curation.services.steps import StepText, save_step
from executor import draft_list
from executor.models import Run
from executor.parity.outcome import Reason, undecided
from executor.services import request_run
from tests.factories import FIXED, head_of, make_dataset, make_draft, make_example, make_user
from tests.pages.conftest import FAILED, PASSED

pytestmark = pytest.mark.django_db


@pytest.fixture
def drafts(person: User, judged: Callable[..., Any]) -> dict[str, Draft]:
    dataset = make_dataset("mine", by=person)
    made = {
        name: make_draft(f"x = {i}\n", example=make_example(dataset))
        for i, name in enumerate(("passed", "failed", "waiting"))
    }
    judged(made["passed"], head_of(made["passed"]), PASSED)
    judged(made["failed"], head_of(made["failed"]), FAILED)
    return made


def shown(client: Client, **query: str) -> list[int]:
    response = client.get(reverse("dataset-detail", args=["mine"]), query)
    assert response.status_code == 200
    found = [draft.pk for draft in response.context["drafts"]]
    assert response.context["page"].paginator.count == len(found)
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["passed", "failed", "waiting"]),
        ({"outcome": "pass"}, ["passed"]),
        ({"outcome": "fail", "kind": "runtime_error"}, ["failed"]),
        ({"kind": "shape_mismatch"}, []),
        ({"outcome": "none"}, ["waiting"]),
        ({"status": "verified"}, ["passed"]),
        ({"difficulty": "hard"}, []),
        ({"q": "x = 1"}, ["failed"]),
        ({"q": "%"}, []),
        ({"outcome": "nonsense", "page": "99"}, ["passed", "failed", "waiting"]),
    ],
)
def test_filters_narrow(
    client: Client, drafts: dict[str, Draft], query: dict[str, str], names: list[str]
) -> None:
    assert shown(client, **query) == [drafts[name].pk for name in names]


def test_counts_are_of_the_whole_dataset(client: Client, drafts: dict[str, Draft]) -> None:
    response = client.get(reverse("dataset-detail", args=["mine"]), {"outcome": "pass"})
    counts = {
        facet.name: {choice.value: choice.count for choice in facet.choices}
        for facet in response.context["facets"]
    }
    assert counts["outcome"] == {"pass": 1, "fail": 1, "none": 1}
    assert counts["status"] == {"draft": 2, "verified": 1}


def test_programs_without_a_draft_are_listed(client: Client, drafts: dict[str, Draft]) -> None:
    example = make_example(Dataset.objects.get(slug="mine"))
    response = client.get(reverse("dataset-detail", args=["mine"]))
    assert list(response.context["missing"]) == [example]


def test_by_the_category_of_a_step_and_by_assignee(
    client: Client, drafts: dict[str, Draft], person: User
) -> None:
    api = Category.objects.create(slug="api", name="API misuse")
    save_step(drafts["failed"], base=0, code=FIXED, text=StepText(category=api), by=person)
    only = Draft.objects.filter(pk=drafts["waiting"].pk)
    assign_all(Dataset.objects.get(slug="mine"), only, person, by=person)
    assert shown(client, category="api") == [drafts["failed"].pk]
    assert shown(client, assignee="ada") == [drafts["waiting"].pk]
    assert shown(client, assignee=draft_list.NOBODY) == [
        drafts["passed"].pk,
        drafts["failed"].pk,
    ]
    assert shown(client, assignee="nobody at all") == []


@pytest.mark.parametrize("q", ["X = 1", "torch", "Cheap-9", "e7", "attention", "nowhere at all"])
def test_frequent_words_are_found_where_rare_ones_are(
    client: Client, drafts: dict[str, Draft], monkeypatch: pytest.MonkeyPatch, q: str
) -> None:
    Draft.objects.filter(pk=drafts["waiting"].pk).update(model="cheap-9")
    named = Example.objects.filter(pk=drafts["failed"].example_id)
    named.update(example_id="e7", title="Attention")
    rare = shown(client, q=q)
    monkeypatch.setattr(draft_list, "FREQUENT", 0)
    assert draft_list.words_of(q).frequent == bool(rare) == (q != "nowhere at all")
    assert shown(client, q=q) == rare


@pytest.mark.parametrize("query", [{"q": "x = "}, {"assignee": draft_list.NOBODY}])
@pytest.mark.parametrize("most", [0, 10_000])
def test_many_matches_are_counted_as_far_as_one_looks(
    client: Client,
    drafts: dict[str, Draft],
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    most: int,
) -> None:
    monkeypatch.setattr(draft_list, "FREQUENT", most)
    monkeypatch.setattr(draft_list.Pages, "COUNTED", 1)
    monkeypatch.setattr("executor.views.queue.DRAFTS_PER_PAGE", 1)
    url, seen, words = reverse("dataset-detail", args=["mine"]), [], []
    for page in ("", "2", "3"):
        response = client.get(url, {**query, "page": page})
        seen += [draft.pk for draft in response.context["drafts"]]
        html = response.content.decode()
        words += re.findall(r"(\d to \d of [^<]*)<", html)
        assert ("All that match" in html) == (page != "3")
        assert ('rel="next"' in html) == (page != "3")
    assert seen == [draft.pk for draft in drafts.values()]
    assert words == ["1 to 1 of more than 1", "2 to 2 of more than 2", "3 to 3 of 3"]
    last = client.get(url, {**query, "page": "9"})
    assert [draft.pk for draft in last.context["drafts"]] == seen[2:]


def bulk(client: Client, **sent: Any) -> Any:
    return client.post(reverse("queue-bulk", args=["mine"]), sent, follow=True)


def test_an_action_is_counted_before_it_is_done(client: Client, drafts: dict[str, Draft]) -> None:
    bea = make_user("bea")
    asked = {"do": "assign", "username": "bea", "all": "yes", "outcome": "none"}
    page = bulk(client, **asked)
    assert (page.context["total"], page.context["taken"]) == (1, 0)
    assert not Draft.objects.filter(assignee=bea).exists()
    bulk(client, **asked, confirmed="yes", expected="1")
    assert list(Draft.objects.filter(assignee=bea)) == [drafts["waiting"]]


def test_when_others_match_meanwhile_it_asks_again(
    client: Client, drafts: dict[str, Draft]
) -> None:
    page = bulk(client, do="delete", all="yes", confirmed="yes", expected="2")
    assert page.context["changed"] and page.context["total"] == 3
    assert Draft.objects.count() == 3


def test_an_assignment_of_many_is_taken_back_but_for_what_moved_on(
    client: Client, drafts: dict[str, Draft], person: User
) -> None:
    bea, cy = make_user("bea"), make_user("cy")
    dataset = Dataset.objects.get(slug="mine")
    mine = Draft.objects.filter(example__dataset=dataset)
    assign_all(dataset, mine.filter(pk=drafts["passed"].pk), cy, by=person)
    bulk(client, do="assign", username="bea", all="yes", confirmed="yes", expected="3")
    assert mine.filter(assignee=bea, lease_until__isnull=False).count() == 3
    assert AuditEvent.objects.filter(action="draft.assigned", draft_pk__isnull=False).count() == 4
    assign_all(dataset, mine.filter(pk=drafts["failed"].pk), person, by=person)
    event = AuditEvent.objects.filter(action="drafts.assigned", data__count=3).get()
    client.post(reverse("event-undo", args=[event.pk]))
    now = dict(mine.values_list("pk", "assignee"))
    assert now == {
        drafts["passed"].pk: cy.pk,
        drafts["failed"].pk: person.pk,
        drafts["waiting"].pk: None,
    }


def test_ticked_drafts_are_deleted_together_and_come_back(
    client: Client, drafts: dict[str, Draft]
) -> None:
    before = list(Draft.objects.order_by("pk").values())
    ticked = [drafts["passed"].pk, drafts["failed"].pk, "x", "9" * 30]
    page = bulk(client, do="delete", draft=ticked)
    assert page.context["total"] == 2
    bulk(client, do="delete", draft=ticked, confirmed="yes", expected="2")
    assert list(Draft.objects.values_list("pk", flat=True)) == [drafts["waiting"].pk]
    event = AuditEvent.objects.get(action="drafts.deleted")
    client.post(reverse("event-undo", args=[event.pk]))
    assert list(Draft.objects.order_by("pk").values()) == before


def test_only_what_has_no_verdict_that_holds_is_run(
    client: Client, drafts: dict[str, Draft]
) -> None:
    stale = drafts["passed"].example
    stale.pytorch_code += "# another reference\n"
    stale.save()
    page = bulk(client, do="run", all="yes", confirmed="yes", expected="3")
    assert "2 drafts are being run; 1 have a verdict that holds." in page.content.decode()
    queued = Run.objects.filter(state="queued").values_list("draft", flat=True)
    assert set(queued) == {drafts["passed"].pk, drafts["waiting"].pk}


@pytest.mark.parametrize("sent", [{}, {"do": "assign"}, {"do": "nonsense", "all": "yes"}])
def test_nothing_chosen_is_told(
    client: Client, drafts: dict[str, Draft], sent: dict[str, str]
) -> None:
    assert "Choose an action" in bulk(client, **sent).content.decode()


def test_who_is_no_annotator_gets_nothing(client: Client, drafts: dict[str, Draft]) -> None:
    sent = {"do": "assign", "username": "nobody", "all": "yes", "expected": "3"}
    page = bulk(client, **sent, confirmed="yes")
    assert "“nobody” is no annotator" in page.content.decode()


def test_what_is_stored_of_the_verdict_follows_the_code(
    drafts: dict[str, Draft], person: User, judged: Callable[..., Any]
) -> None:
    def said(name: str) -> str:
        return Draft.objects.get(pk=drafts[name].pk).judged

    assert (said("passed"), said("failed"), said("waiting")) == (
        "pass//",
        "fail/runtime_error/",
        "",
    )
    step = save_step(drafts["passed"], base=0, code=FIXED, text=StepText(), by=person)
    assert said("passed") == "", "the new code was not run"
    judged(drafts["passed"], FIXED, FAILED)
    assert said("passed") == "fail/runtime_error/"
    remove_step(step, by=person)
    assert said("passed") == "pass//", "the draft's own verdict holds again"


def test_a_verdict_that_our_side_spoiled_goes_when_it_is_run_again(
    drafts: dict[str, Draft], judged: Callable[..., Any]
) -> None:
    draft = drafts["waiting"]
    broken = undecided(Reason.INFRASTRUCTURE, "It broke.", runtime={})
    judged(draft, head_of(draft), broken)
    draft.refresh_from_db()
    assert draft.judged == "undecided//infrastructure"
    request_run(draft.example, head_of(draft).code, draft=draft, by=None)
    draft.refresh_from_db()
    assert draft.judged == ""


def test_a_late_verdict_about_older_code_changes_nothing(
    drafts: dict[str, Draft], person: User, judged: Callable[..., Any]
) -> None:
    draft, first = drafts["waiting"], head_of(drafts["waiting"])
    save_step(draft, base=0, code=FIXED, text=StepText(), by=person)
    judged(draft, first, PASSED)
    draft.refresh_from_db()
    assert (draft.judged, draft.status) == ("", "repairing")


def test_older_databases_get_their_verdicts_stored(drafts: dict[str, Draft]) -> None:
    stored = dict(Draft.objects.values_list("pk", "judged"))
    Draft.objects.update(judged="")
    fill = import_module("executor.migrations.0004_stored_verdict").FILL
    with connection.cursor() as cursor:
        cursor.execute(fill)
    assert dict(Draft.objects.values_list("pk", "judged")) == stored
