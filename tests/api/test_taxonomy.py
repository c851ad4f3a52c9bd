"""The taxonomy by the API: look, change, take back, and who may not."""

from typing import Any

import pytest
from django.test import Client

from curation.models import AuditEvent, Category, FixStep
from tests.api.calls import said
from tests.curation.test_taxonomy import World, names, picture, places
from tests.factories import make_dataset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World(make_user("lead"))


@pytest.fixture
def api(client: Client, world: World) -> Client:
    client.force_login(world.lead)
    return client


def at(category: str, subcategory: str | None = None) -> dict[str, str | None]:
    return {"category": category, "subcategory": subcategory}


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("/categories/", {"name": "Sharding", "category": None}),
    ("/categories/", {"name": "Axis", "description": "Which.", "category": "api"}),
    ("/categories/rename/", {"words": [at("api") | {"name": "Wrong call"}]}),
    ("/categories/merge/", {"sources": [at("api")], "target": at("state")}),
    ("/categories/split/", {"place": at("api"), "name": "Fresh"}),
    ("/categories/dissolve/", at("api", "name")),
    ("/categories/move/", at("state") | {"to": 1}),
]


@pytest.mark.parametrize(("path", "body"), CHANGES)
def test_a_change_is_looked_at_made_and_taken_back(
    api: Client, world: World, path: str, body: dict[str, Any]
) -> None:
    before = picture()
    code, seen = said(api, "post", path, body | {"preview": True})
    assert (code, seen["change"], seen["refused"]) == (200, None, "")
    assert picture() == before
    code, done = said(api, "post", path, body)
    assert code == (201 if path == "/categories/" else 200)
    assert done | {"change": None} == seen
    assert picture() != before
    changes = said(api, "get", "/categories/changes/")[1]["results"]
    assert [(row["id"], row["undoable"]) for row in changes] == [(done["change"], True)]
    code, _ = said(api, "post", f"/categories/changes/{done['change']}/undo/")
    assert (code, picture()) == (200, before)
    code, answer = said(api, "post", f"/categories/changes/{done['change']}/undo/")
    assert code == 409 and "already" in answer["detail"]


@pytest.mark.parametrize(("path", "body"), CHANGES)
def test_who_leads_nothing_changes_nothing(
    client: Client, world: World, path: str, body: dict[str, Any]
) -> None:
    client.force_login(make_user("reader"))
    before = picture()
    assert said(client, "post", path, body)[0] == 403
    assert said(client, "post", path, body | {"preview": True})[0] == 403
    assert picture() == before and not AuditEvent.objects.filter(target_type="taxonomy").exists()


def test_changes_do_what_they_say(api: Client, world: World) -> None:
    said(api, "post", "/categories/move/", at("state") | {"to": 1})
    assert names() == ["State", "API misuse"]
    words = [at("api") | {"name": "State"}, at("state") | {"name": "API misuse"}]
    said(api, "post", "/categories/rename/", {"words": words})
    assert names() == ["API misuse", "State"]
    chosen = [world.steps[world.state, world.same].pk]
    sent = {"place": at("state"), "steps": chosen, "target": at("api"), "name": "Fresh"}
    said(api, "post", "/categories/split/", sent)
    assert places()[3] == ("State", "Fresh")
    FixStep.objects.filter(pk=world.steps[world.api, None].pk).update(error="a needle")
    sent = {"place": at("api"), "q": "needle", "name": "Needles"}
    assert said(api, "post", "/categories/split/", sent)[1]["steps"] == 1
    listed = said(api, "get", "/categories/")[1]["results"]
    assert [row["name"] for row in listed] == ["API misuse", "State", "Needles"]


def test_what_cannot_be_is_refused_in_words(api: Client, world: World) -> None:
    def refused(path: str, body: dict[str, Any]) -> tuple[int, str]:
        code, answer = said(api, "post", path, body)
        return code, str(answer)

    code, words = refused("/categories/", {"name": "state"})
    assert code == 409 and "is there already" in words
    code, words = refused("/categories/dissolve/", at("api"))
    assert code == 400 and "merged into another" in words
    code, words = refused("/categories/merge/", {"sources": [at("gone")], "target": at("api")})
    assert code == 400 and "“gone” is not a known category" in words
    foreign = world.steps[world.api, None].pk
    code, words = refused(
        "/categories/split/", {"place": at("state"), "steps": [foreign], "target": at("api")}
    )
    assert code == 400 and f"Step {foreign} is not there" in words
    assert Category.objects.count() == 2


def test_steps_of_foreign_datasets_are_safe(client: Client, world: World) -> None:
    other = make_user("other")
    make_dataset("others", by=other, everyone=None)
    client.force_login(other)
    sent = {"sources": [at("api")], "target": at("state")}
    code, seen = said(client, "post", "/categories/merge/", sent | {"preview": True})
    assert (code, seen["hidden"], seen["datasets"]) == (200, 3, [])
    assert "no member of" in seen["refused"]
    assert said(client, "post", "/categories/merge/", sent)[0] == 409
    sent = {"place": at("api"), "name": "Mine"}
    assert said(client, "post", "/categories/split/", sent)[0] == 409
