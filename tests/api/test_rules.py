"""What holds for every route: tokens, pages, ETags, limits, refusals as JSON."""

import io
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from curation.enums import MemberRole, WebhookEvent
from curation.models import ApiToken, AuditEvent, Dataset
from curation.services import steps, webhooks
from curation.services.steps import StepText
from curation.services.tokens import make_token
from executor.services import request_run
from scoring.models import Experiment
from t2j_site.api_examples import EXAMPLES
from t2j_site.api_schema import GUARDED
from tests.api.calls import V1, said, send
from tests.curation.test_access import World
from tests.factories import FIXED, PASSWORD, make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(client: Client) -> Client:
    client.force_login(make_user("ann"))
    return client


@pytest.fixture
def no_counts() -> Iterator[None]:
    caches["limits"].clear()
    yield
    caches["limits"].clear()


def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


# Tokens


def status_with(token: str, kind: str = "Bearer") -> int:
    headers = {"Authorization": f"{kind} {token}"}
    return Client().get(f"{V1}/datasets/", headers=headers).status_code


def test_a_token_acts_as_its_person_until_it_is_revoked_or_expires() -> None:
    ann = make_user("ann")
    token, text = make_token(ann, name="nightly", by=ann)
    assert text not in str(ApiToken.objects.values())
    assert {status_with(text), status_with(text, "Token")} == {200}
    token.refresh_from_db()
    assert token.used_at is not None
    assert status_with(text[:-1]) == status_with("") == 401
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert status_with(text) == 401
    ApiToken.objects.update(expires_at=None)
    ann.is_active = False
    ann.save()
    assert status_with(text) == 401


def test_strangers_are_told_how_to_sign_in(client: Client) -> None:
    response = client.get(f"{V1}/datasets/")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_a_password_gives_a_token_ten_times_a_minute(client: Client, no_counts: None) -> None:
    make_user("ann")
    right = {"username": "ann", "password": PASSWORD, "name": "mine", "days": 3}
    code, made = said(client, "post", "/token/", right)
    assert (code, status_with(made["token"])) == (201, 200)
    assert ApiToken.objects.get().expires_at is not None
    code, answer = said(client, "post", "/token/", right | {"password": "no"})
    assert (code, answer["detail"]) == (400, "There is no account of that name and password.")
    for _ in range(10):
        response = send(client, "post", "/token/", right | {"password": "no"})
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 60


def test_the_page_makes_shows_once_and_revokes(client: Client) -> None:
    ann, other = make_user("ann"), make_user("ben")
    client.force_login(ann)
    page = client.post("/tokens/", {"name": "nightly", "days": ""}).content.decode()
    text = page.split('value="t2j_')[1].split('"')[0]
    assert status_with(f"t2j_{text}") == 200
    shown = client.get("/tokens/").content.decode()
    assert "nightly" in shown and text not in shown
    foreign, _ = make_token(other, name="foreign", by=other)
    client.post("/tokens/", {"revoke": foreign.pk})
    client.post("/tokens/", {"revoke": "9" * 30})
    assert other.api_tokens.count() == 1
    client.post("/tokens/", {"revoke": ann.api_tokens.get().pk})
    assert ann.api_tokens.count() == 0
    assert status_with(f"t2j_{text}") == 401
    assert AuditEvent.objects.filter(action="token.revoked", actor=ann).exists()


def test_the_command_makes_lists_and_revokes() -> None:
    make_user("ann")
    out = io.StringIO()
    call_command("api_token", "ann", name="cron", days=5, stdout=out)
    assert status_with(out.getvalue().strip()) == 200
    token = ApiToken.objects.get()
    call_command("api_token", "ann", list=True, stdout=out)
    assert f"{token.pk}\tcron (t2j_" in out.getvalue()
    call_command("api_token", "ann", revoke=token.pk, stdout=out)
    assert not ApiToken.objects.exists()
    with pytest.raises(CommandError, match="There is no account “nobody”"):
        call_command("api_token", "nobody", list=True)


def test_tokens_from_before_become_hashes(client: Client) -> None:
    ann = make_user("ann")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE authtoken_token (key varchar(40), created timestamptz, user_id int)"
        )
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, now(), %s)", ["a" * 40, ann.pk])
        cursor.execute(import_module("curation.migrations.0015_hash_old_tokens").SQL)
    assert status_with("a" * 40, "Token") == 200


# Pages of lists


def test_pages_follow_one_another_while_rows_come_and_go(api: Client) -> None:
    dataset = make_dataset("mine")
    examples = [make_example(dataset) for _ in range(5)]
    ids = [each.pk for each in examples]
    seen, path = [], "/examples/?dataset=mine&limit=2"
    while path:
        code, page = said(api, "get", path)
        assert code == 200
        seen += [row["id"] for row in page["results"]]
        path = (page["next"] or "").partition(V1)[2]
        if len(seen) == 2:
            # A row that was shown goes: offsets would now skip one.
            examples[0].delete()
    assert seen == ids


def test_runs_come_newest_first_over_pages(api: Client) -> None:
    draft = make_draft()
    runs = [request_run(draft.example, f"x = {n}\n", draft=draft, by=None).pk for n in range(5)]
    _, first = said(api, "get", "/runs/?limit=3")
    _, second = said(api, "get", first["next"].partition(V1)[2])
    assert [row["id"] for row in first["results"] + second["results"]] == runs[::-1]
    assert second["next"] is None


# ETags


def test_what_is_had_already_is_not_sent_again(api: Client) -> None:
    draft = make_draft()
    path = f"/drafts/{draft.pk}/"
    tag = send(api, "get", path)["ETag"]
    again = send(api, "get", path, **{"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=None)
    changed = send(api, "get", path, **{"If-None-Match": tag})
    assert (changed.status_code, changed.json()["head"]) == (200, 1)


@pytest.fixture
def world(client: Client) -> World:
    call_command("load_prompts", stdout=io.StringIO())
    world = World("mine")
    client.force_login(world.people[MemberRole.ADMIN])
    return world


def address(world: World, path: str) -> str:
    numbers = {
        "examples": world.example.pk,
        "drafts": world.draft.pk,
        "steps": world.step.pk,
        "webhooks": world.webhook.pk,
    }
    kind = path.split("/")[1]
    slug = Experiment.objects.get().slug if kind == "experiments" else "mine"
    return path.format(id=numbers.get(kind), slug=slug)


# What each change sends, so that nothing but the ETag can be in its way.
BODIES: dict[str, Any] = {
    "/datasets/{slug}/": {"repairs_wanted": 2},
    "/examples/{id}/contract/": {"contract": None},
    "/drafts/{id}/status/": {"do": "withdraw"},
    "/drafts/{id}/assign/": {"username": None},
    "/steps/{id}/": {"fix_info": "new"},
    "/steps/{id}/move/": {"to": 1},
    "/steps/{id}/split/": {"first": [0]},
    "/steps/{id}/code/": {"error_code": "ones(3)", "fixed_code": "ones(2)"},
    "/webhooks/{id}/": {"enabled": False},
    "/experiments/{slug}/limit/": {"spend_limit": None},
}


def test_changes_of_what_changed_meanwhile_are_refused(client: Client, world: World) -> None:
    codes = {}
    for method, path in GUARDED - {("post", "/drafts/{id}/adopt/")}:
        url = address(world, path)
        parts = url.split("/")
        read = url if path.endswith("contract/") else f"/{parts[1]}/{parts[2]}/"
        tag = send(client, "get", read)["ETag"]
        body = BODIES.get(path) if method != "delete" else None
        with transaction.atomic():
            old, answer = said(client, method, url, body, **{"If-Match": '"old"'})
            assert answer["detail"].startswith("This was changed since you read it."), path
            codes[method, path] = old, said(client, method, url, body, **{"If-Match": tag})[0]
            transaction.set_rollback(True)
    # A draft of one step has none to be merged with, and none of two changes to be split.
    alone = {("post", f"/steps/{{id}}/{change}/") for change in ("merge", "split")}
    assert {each: code for each, code in codes.items() if code != (412, 200)} == dict.fromkeys(
        alone, (412, 409)
    )


def test_routes_that_say_they_heed_if_match_are_the_ones_that_do() -> None:
    found = {
        (method, path.removeprefix(V1))
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
        if "412" in operation["responses"]
    }
    assert found == GUARDED


# Limits, refusals, the document


def test_too_many_requests_are_told_when_to_come_back(
    api: Client, settings: Any, no_counts: None
) -> None:
    settings.T2J_API_RATE = 3
    codes = [send(api, "get", "/categories/").status_code for _ in range(8)]
    # The minute may end once in between.
    assert codes[:3] == [200] * 3 and 429 in codes
    other = Client()
    other.force_login(make_user("ben"))
    assert send(other, "get", "/categories/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/nowhere/", "/examples/abc/", f"/examples/{'9' * 30}/", f"/drafts/{10**17}/"]
)
def test_what_is_not_there_is_said_in_json(api: Client, path: str) -> None:
    code, answer = said(api, "get", path)
    assert (code, list(answer)) == (404, ["detail"])


def test_bodies_have_a_largest_size(api: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    data = {"slug": "mine", "title": "x" * 1000}
    assert said(api, "post", "/datasets/", data) == (413, {"detail": "The body is too large."})
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_texts_that_no_database_takes_are_refused(api: Client, text: str) -> None:
    data = {"contract": {"kind": "module", "names": {text: "x"}}}
    example = make_example()
    code, answer = said(api, "put", f"/examples/{example.pk}/contract/", data)
    assert code == 400
    assert answer["detail"].startswith("This is not JSON: a text holds")


def test_a_backslash_before_u0000_is_no_nul(api: Client) -> None:
    data = {"slug": "mine", "title": "\\u0000"}
    assert said(api, "post", "/datasets/", data)[0] == 201


def test_examples_of_the_document_are_what_it_describes() -> None:
    found = schema()
    for name in EXAMPLES:
        whole = {"$ref": f"#/components/schemas/{name}", "components": found["components"]}
        problems = list(Draft202012Validator(whole).iter_errors(EXAMPLES[name]))
        assert problems == [], name


def test_every_body_of_the_document_has_an_example() -> None:
    found = schema()
    without = {
        content["schema"]["$ref"].rpartition("/")[2]
        for methods in found["paths"].values()
        for operation in methods.values()
        for kind, content in operation.get("requestBody", {"content": {}})["content"].items()
        if kind == "application/json"
    } - EXAMPLES.keys()
    assert without == set()


def test_every_refusal_is_described() -> None:
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            wanted = {"400", "401", "403", "406", "429"} if path != f"{V1}/token/" else {"400"}
            assert wanted <= operation["responses"].keys(), (method, path)


def test_webhooks_are_shown_to_leads_only(client: Client, world: World) -> None:
    client.force_login(world.people[MemberRole.REVIEWER])
    assert said(client, "get", "/webhooks/")[1]["results"] == []
    webhooks.register(
        world.dataset, url="https://8.8.8.8/", events=[WebhookEvent.RELEASED], by=None
    )
    client.force_login(world.people[MemberRole.LEAD])
    assert len(said(client, "get", "/webhooks/")[1]["results"]) == 2
