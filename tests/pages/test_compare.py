"""The comparison page: any two texts of a draft, beside or under each other, without a script."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.models import Draft
from curation.services.copies import Kept, keep
from curation.services.steps import StepText, save_step
from tests.factories import DRAFT, FIXED, head_of, make_draft, make_user
from tests.pages.conftest import FAILED

pytestmark = pytest.mark.django_db
LAST = FIXED + "print('done')\n"


@pytest.fixture
def draft(person: User) -> Draft:
    draft = make_draft(DRAFT, by=person)
    save_step(draft, base=0, code=FIXED, text=StepText(fix_info="One."), by=person)
    save_step(draft, base=1, code=LAST, text=StepText(fix_info="Two."), by=person)
    return draft


def compare(client: Client, draft: Draft, **query: str) -> Any:
    response = client.get(reverse("draft-compare", args=[draft.pk]), query)
    assert response.status_code == 200
    return response


def marks(response: Any) -> list[str]:
    return [row.mark for row in response.context["rows"] or response.context["lines"]]


def test_the_draft_is_compared_with_the_newest_revision(client: Client, draft: Draft) -> None:
    response = compare(client, draft)
    assert marks(response) == ["same", "change", "add"]
    html = response.content.decode()
    assert "jnp.ones(<mark>3</mark>)" in html and "jnp.ones(<mark>2</mark>)" in html
    assert "1 place differs." in html


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("0", "1", ["same", "change"]),
        ("1", "2", ["same", "same", "add"]),
        ("2", "0", ["same", "change", "del"]),
        ("1", "1", ["fold"]),
        ("no such side", "7", ["same", "change", "add"]),
    ],
)
def test_any_two_revisions_are_compared(
    client: Client, draft: Draft, left: str, right: str, expected: list[str]
) -> None:
    assert marks(compare(client, draft, left=left, right=right)) == expected


def test_inline_has_what_was_there_above_what_is(client: Client, draft: Draft) -> None:
    response = compare(client, draft, view="inline")
    assert marks(response) == ["same", "del", "add", "add"]
    # Links of the page keep what is compared.
    assert 'href="?view=inline&amp;left=reference"' in response.content.decode()


def test_the_reference_and_an_unsaved_edit_can_be_sides(
    client: Client, draft: Draft, person: User
) -> None:
    copy = keep(draft, Kept("tab", 2, LAST + "# mine\n"), by=person)
    response = compare(client, draft, left="2", right=f"copy-{copy.pk}")
    assert marks(response) == ["same", "same", "same", "add"]
    response = compare(client, draft, left="reference", right="2")
    assert response.context["left"].code == draft.example.pytorch_code
    other = Client()
    other.force_login(make_user())
    assert f"copy-{copy.pk}" not in compare(other, draft).content.decode()


def test_the_line_of_the_error_is_marked(
    client: Client, draft: Draft, judged: Callable[..., Any]
) -> None:
    judged(draft, draft.revisions.get(number=0), FAILED)
    for view in ("split", "inline"):
        html = compare(client, draft, view=view).content.decode()
        assert html.count("error here") == 1
    html = client.get(reverse("revision-detail", args=[draft.pk, 0])).content.decode()
    assert '<li id="line-2" class="error-line"' in html
    assert head_of(draft).number == 2


def test_unchanged_lines_are_folded_until_asked_for(client: Client, person: User) -> None:
    code = "".join(f"x{number} = {number}\n" for number in range(60))
    draft = make_draft(code, by=person)
    save_step(draft, base=0, code=f"{code}y = 1\n", text=StepText(fix_info="x"), by=person)
    folded = compare(client, draft)
    assert marks(folded) == ["fold", "same", "same", "same", "add"]
    assert "Show 57 unchanged lines" in folded.content.decode()
    assert len(marks(compare(client, draft, all="1"))) == 61


def test_code_is_shown_as_text(client: Client, person: User) -> None:
    draft = make_draft("<script>alert(1)</script>\n", by=person)
    save_step(draft, base=0, code="<b>\n", text=StepText(fix_info="x"), by=person)
    html = compare(client, draft).content.decode()
    assert "<script>alert" not in html and "&lt;" in html
