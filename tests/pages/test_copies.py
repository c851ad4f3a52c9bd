"""What the editor sends to be kept, what it gets back, and edits saved in parts."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.models import Category, Draft, Trash, WorkingCopy
from curation.services import copies, trash
from curation.services.copies import Kept
from curation.services.steps import StepText, save_step
from tests.factories import DRAFT, FIXED, head_of, make_draft, make_user

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(person: User) -> Draft:
    return make_draft(by=person)


def keep(client: Client, draft: Draft, **body: Any) -> Any:
    sent = {"tab": "t", "base": 0, "code": FIXED, "form": {}, "seconds": 3} | body
    url = reverse("copy-keep", args=[draft.pk])
    return client.post(url, json.dumps(sent), content_type="application/json")


def test_a_copy_is_kept_and_shown_again(client: Client, draft: Draft, person: User) -> None:
    copies.keep(draft, Kept("b", 0, None), by=make_user("bea"))
    answer = keep(client, draft, form={"fix_info": "Half a sen"}).json()
    assert answer == {"head": 0, "others": ["bea is here"]}
    page = client.get(reverse("workbench", args=[draft.pk]))
    (edit,) = page.context["copies"]
    assert (edit["code"], edit["form"], edit["base"]) == (FIXED, {"fix_info": "Half a sen"}, "0")
    other = Client()
    other.force_login(make_user())
    assert other.get(reverse("workbench", args=[draft.pk])).context["copies"] == []


@pytest.mark.parametrize(
    "body",
    [{"code": 5}, {"base": "x"}, {"tab": ""}, {"form": [1]}, {"base": -1}, {"seconds": 1e99}],
)
def test_a_broken_copy_is_refused(client: Client, draft: Draft, body: dict[str, Any]) -> None:
    assert keep(client, draft, **body).status_code == 400
    assert not WorkingCopy.objects.exists()


def test_a_draft_that_was_deleted_under_an_autosave_is_said(
    client: Client, draft: Draft, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found_and_deleted(*_: Any, **__: Any) -> Draft:
        found = Draft.objects.get(pk=draft.pk)
        trash.delete(Draft.objects.get(pk=draft.pk), by=person)
        return found

    # Between the look for the draft and the row that is to be kept.
    monkeypatch.setattr("curation.views.copies.get_object_or_404", found_and_deleted)
    answer = keep(client, draft)
    assert answer.status_code == 404 and "This draft was deleted." in answer.json()["detail"]
    trash.bring_back(Trash.objects.get(), by=person)
    url = reverse("copy-merged", args=[draft.pk])
    assert client.post(url, {"tab": "t", "code": FIXED}).status_code == 404
    assert not WorkingCopy.objects.exists()


def test_a_discarded_copy_is_gone(client: Client, draft: Draft) -> None:
    keep(client, draft)
    client.post(reverse("copy-drop", args=[draft.pk]), {"tab": "t"})
    assert not WorkingCopy.objects.exists()


@pytest.fixture
def fields(db: None) -> dict[str, Any]:
    category = Category.objects.create(slug="api", name="API misuse")
    return {"fix_info": "Why.", "category": category.pk, "kind": "behaviour", "tab": "t", "base": 0}


def test_a_saved_step_leaves_no_copy(client: Client, draft: Draft, fields: dict[str, Any]) -> None:
    keep(client, draft)
    client.post(reverse("step-save", args=[draft.pk]), fields | {"code": FIXED})
    assert not WorkingCopy.objects.exists()


TWO = FIXED.replace("import", "import  ")


def test_the_changes_left_out_of_a_step_stay_in_the_editor(
    client: Client, fields: dict[str, Any], person: User
) -> None:
    draft = make_draft(DRAFT.replace("print", "x = 1\nprint"), by=person)
    whole = TWO.replace("print", "x = 1\nprint")
    form = client.post(
        reverse("step-new", args=[draft.pk]), {"code": whole, "base": 0}, headers=HTMX
    )
    assert [hunk.start for hunk in form.context["hunks"]] == [0, 2]
    sent = fields | {"code": whole, "hunks": "2", "hunk": ["1"]}
    response = client.post(reverse("step-save", args=[draft.pk]), sent)
    assert head_of(draft).code == FIXED.replace("print", "x = 1\nprint")
    assert draft.steps.get().fixed_code == "print(jnp.ones(2).sum())"
    page = client.get(response["Location"])
    assert page.context["code"] == whole
    assert page.context["copy"].base == 1


def test_a_stale_save_is_merged_not_overwritten(
    client: Client, person: User, fields: dict[str, Any]
) -> None:
    between = "x = 1\nprint"
    draft = make_draft(DRAFT.replace("print", between), by=person)
    mine, both = FIXED.replace("print", between), TWO.replace("print", between)
    theirs = both.replace("ones(2)", "ones(3)")
    save_step(draft, base=0, code=theirs, text=StepText(fix_info="x"), by=None)
    response = client.post(
        reverse("step-save", args=[draft.pk]), fields | {"code": mine}, headers=HTMX
    )
    assert response.status_code == 409
    merged = response.context["merged"]
    assert (merged.text, merged.conflicts) == (both, 0)
    url = reverse("copy-merged", args=[draft.pk])
    page = client.post(url, {"code": merged.text, "tab": "t"}, follow=True)
    assert page.context["code"] == both
    assert draft.steps.count() == 1
    copy = WorkingCopy.objects.get()
    assert (copy.base, copy.code) == (1, both)
    # The page that was left sends its text last.
    keep(client, draft, code=mine, base=0)
    copy.refresh_from_db()
    assert (copy.base, copy.code) == (1, both)


def test_an_example_is_deleted_and_brought_back(client: Client, draft: Draft) -> None:
    example = draft.example
    page = client.post(reverse("example-delete", args=[example.pk]), follow=True)
    (kept,) = page.context["kept"]
    assert client.get(reverse("workbench", args=[draft.pk])).status_code == 404
    client.post(reverse("trash-restore", args=[kept.pk]))
    assert client.get(reverse("workbench", args=[draft.pk])).status_code == 200


def lay_out(client: Client, **body: Any) -> int:
    sent = {"left": 40, "right": 20, "at": 5} | body
    answer = client.post(reverse("layout-keep"), json.dumps(sent), content_type="application/json")
    return int(answer.status_code)


def test_the_layout_goes_with_the_person_and_the_newest_counts(
    client: Client, draft: Draft
) -> None:
    url = reverse("workbench", args=[draft.pk])
    assert client.get(url).context["layout"] is None
    assert [lay_out(client), lay_out(client, left=50, at=9), lay_out(client, left=16)] == [204] * 3
    assert client.get(url).context["layout"] == {"left": 50.0, "right": 20.0, "at": 9}
    other = Client()
    other.force_login(make_user())
    assert other.get(url).context["layout"] is None


@pytest.mark.parametrize(
    "body", [{"left": 5}, {"right": "x"}, {"at": -1}, {"at": 1e300}, {"left": float("nan")}]
)
def test_a_broken_layout_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert lay_out(client, **body) == 400
