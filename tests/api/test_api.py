"""The API: who may, what it says, and the sentences of its refusals."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from curation.importers.source import MemorySource
from curation.models import AuditEvent, Category, Subcategory
from curation.services import steps
from curation.services.imports import import_files
from curation.services.steps import StepText
from executor.enums import RunState
from executor.models import Run
from tests.curation import dirty
from tests.factories import (
    DRAFT,
    FIXED,
    REFERENCE,
    head_of,
    make_dataset,
    make_draft,
    make_example,
    make_user,
)

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


@pytest.fixture
def api(client: Client) -> Client:
    client.force_login(make_user("ann"))
    return client


def post(client: Client, path: str, data: Any) -> tuple[int, Any]:
    response = client.post(f"{V1}{path}", json.dumps(data), content_type="application/json")
    return response.status_code, response.json()


def get(client: Client, path: str) -> Any:
    response = client.get(f"{V1}{path}")
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/",
        "/examples/",
        "/drafts/",
        "/revisions/",
        "/steps/",
        "/runs/",
        "/categories/",
        "/datasets/mine/exports/",
        "/datasets/mine/exports/t2j/",
        "/datasets/mine/statistics/",
    ],
)
def test_strangers_are_turned_away(client: Client, path: str) -> None:
    make_dataset("mine")
    assert client.get(f"{V1}{path}").status_code in (401, 403)
    assert client.post(f"{V1}{path}").status_code in (401, 403)


def test_a_dataset_is_made_and_listed(api: Client) -> None:
    code, made = post(api, "/datasets/", {"slug": "mine", "title": "Mine"})
    assert (code, made["slug"], made["examples"]) == (201, "mine", 0)
    make_example(make_draft().example.dataset)
    assert get(api, "/datasets/mine/")["title"] == "Mine"
    assert [row["examples"] for row in get(api, "/datasets/")["results"]] == [0, 2]
    assert AuditEvent.objects.filter(action="dataset.created", actor__username="ann").exists()
    code, answer = post(api, "/datasets/", {"slug": "mine", "title": "Mine"})
    assert (code, list(answer)) == (400, ["slug"])


def test_an_example_is_made_with_its_code_untouched(api: Client) -> None:
    make_dataset("mine")
    data = {"dataset": "mine", "example_id": "e1", "pytorch_code": f"\n  {REFERENCE}\n\n"}
    code, made = post(api, "/examples/", data)
    assert (code, made["pytorch_code"]) == (201, data["pytorch_code"])
    assert made["not_runnable"].startswith("The program does not parse")
    assert get(api, f"/examples/{made['id']}/") == made
    (row,) = get(api, "/examples/?dataset=mine")["results"]
    assert "pytorch_code" not in row
    assert get(api, "/examples/?dataset=other")["results"] == []
    assert post(api, "/examples/", data)[0] == 400
    assert post(api, "/examples/", data | {"dataset": "none"})[0] == 400
    assert post(api, "/examples/", data | {"example_id": "e2", "pytorch_code": "\0"})[0] == 400


def test_a_pasted_answer_becomes_a_draft(api: Client) -> None:
    example = make_example()
    data = {"example": example.pk, "raw_answer": "Here:\n```python\nx = 1\n```\n"}
    code, made = post(api, "/drafts/", data | {"model": "m", "role": "costly"})
    assert code == 201
    assert (made["head"], made["steps"], made["status"], made["created_by"]) == (
        0,
        0,
        "draft",
        "ann",
    )
    (revision,) = get(api, f"/revisions/?draft={made['id']}")["results"]
    assert (revision["number"], revision["code"]) == (0, "x = 1\n")
    code, made = post(api, "/drafts/", data | {"code": " y\n"})
    assert get(api, f"/revisions/?draft={made['id']}")["results"][0]["code"] == " y\n"


def test_a_draft_is_approved_when_a_person_says_so(api: Client) -> None:
    draft = make_draft()
    path = f"/drafts/{draft.pk}/status/"
    assert post(api, path, {"do": "verify"})[0] == 400
    code, answer = post(api, path, {"do": "approve"})
    assert code == 409
    assert answer["detail"].startswith("The machine did not verify this draft.")
    code, said = post(api, path, {"do": "approve", "text": "Read by hand."})
    assert (code, said["status"], said["approval_reason"]) == (200, "approved", "Read by hand.")
    code, said = post(api, path, {"do": "reopen"})
    assert (code, said["status"], said["approval_reason"]) == (200, "repairing", "")


def test_a_comment_is_written_dealt_with_and_taken_back(api: Client) -> None:
    draft = make_draft()
    data = {"draft": draft.pk, "text": "Two?", "revision": 0, "line": 2}
    code, said = post(api, "/comments/", data)
    assert (code, said["quote"], said["author"]) == (201, "print(jnp.ones(3).sum())", "ann")
    assert post(api, "/comments/", data | {"line": 3})[0] == 400
    assert post(api, f"/comments/{said['id']}/resolve/", {})[1]["resolved_at"] is not None
    assert post(api, f"/comments/{said['id']}/reopen/", {})[1]["resolved_at"] is None
    assert len(get(api, f"/comments/?draft={draft.pk}")["results"]) == 1
    assert api.delete(f"{V1}/comments/{said['id']}/").status_code == 204
    assert draft.comments.count() == 0


def test_revisions_cannot_be_written(api: Client) -> None:
    revision = head_of(make_draft())
    path = f"{V1}/revisions/{revision.pk}/"
    for method in ("put", "patch", "delete", "post"):
        assert getattr(api, method)(path).status_code == 405


@pytest.fixture
def category() -> Category:
    category = Category.objects.create(slug="api", name="API misuse")
    Subcategory.objects.create(category=category, slug="wrong", name="Wrong argument")
    return category


def test_an_edit_becomes_a_step(api: Client, category: Category) -> None:
    draft = make_draft()
    data = {
        "draft": draft.pk,
        "base": 0,
        "code": FIXED,
        "error": "  indented\n",
        "fix_info": "two",
        "category": "api",
        "subcategory": "wrong",
        "seconds": 30,
    }
    code, step = post(api, "/steps/", data)
    assert code == 201
    assert (step["order"], step["error_code"], step["fixed_code"]) == (
        1,
        "print(jnp.ones(3).sum())",
        "print(jnp.ones(2).sum())",
    )
    assert (step["before"], step["after"], step["author"]) == (0, 1, "ann")
    assert (step["category"], step["subcategory"], step["kind"]) == ("api", "wrong", "behaviour")
    assert step["error"] == "  indented\n"
    assert get(api, f"/steps/?draft={draft.pk}&category=api")["results"] == [step]
    assert get(api, "/steps/?category=other")["results"] == []


def test_an_edit_of_an_old_revision_is_a_conflict(api: Client) -> None:
    draft = make_draft()
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=None)
    code, answer = post(api, "/steps/", {"draft": draft.pk, "base": 0, "code": "x = 1\n"})
    assert (code, answer["head"]) == (409, 1)
    assert answer["detail"].startswith("Revision 1 was saved meanwhile.")
    assert draft.steps.count() == 1


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"code": DRAFT}, {"detail": "The code is the same as revision 0: nothing to save."}),
        ({"category": "nope"}, {"category": ["“nope” is not a known category."]}),
        (
            {"category": "api", "subcategory": "nope"},
            {"subcategory": ["“nope” is no known subcategory of “API misuse”."]},
        ),
        (
            {"subcategory": "wrong"},
            {"subcategory": ["“wrong” is no known subcategory without a category."]},
        ),
    ],
)
def test_a_step_is_refused_with_a_sentence(
    api: Client, category: Category, change: dict[str, Any], answer: dict[str, Any]
) -> None:
    draft = make_draft()
    data = {"draft": draft.pk, "base": 0, "code": FIXED} | change
    assert post(api, "/steps/", data) == (400, answer)
    assert draft.revisions.count() == 1


def test_the_words_of_a_step_can_be_changed(api: Client, category: Category) -> None:
    draft = make_draft()
    text = StepText(error="e", category=category, subcategory=Subcategory.objects.get(), seconds=9)
    step = steps.save_step(draft, base=0, code=FIXED, text=text, by=None)
    other = Category.objects.create(slug="other", name="Other")

    def patch(data: dict[str, Any]) -> Any:
        response = api.patch(
            f"{V1}/steps/{step.pk}/", json.dumps(data), content_type="application/json"
        )
        assert response.status_code == 200
        return response.json()

    said = patch({"fix_info": "new", "code": "ignored"})
    assert (said["fix_info"], said["error"], said["subcategory"], said["seconds"]) == (
        "new",
        "e",
        "wrong",
        9,
    )
    said = patch({"category": "other"})
    assert (said["category"], said["subcategory"]) == ("other", None)
    step.refresh_from_db()
    assert (step.category, step.subcategory) == (other, None)
    assert step.fixed_code == "print(jnp.ones(2).sum())"


def test_a_run_is_asked_for_once_and_can_be_cancelled(api: Client) -> None:
    draft = make_draft()
    revision = head_of(draft)
    code, run = post(api, "/runs/", {"revision": revision.pk})
    assert (code, run["state"], run["verdict"], run["draft"]) == (202, "queued", None, draft.pk)
    code, again = post(api, "/runs/", {"draft": draft.pk, "code": DRAFT})
    assert (code, again["id"]) == (202, run["id"])
    assert Run.objects.count() == 1
    code, run = post(api, f"/runs/{run['id']}/cancel/", {})
    assert (code, run["state"]) == (200, RunState.CANCELLED)
    (row,) = get(api, f"/runs/?example={draft.example_id}&state=cancelled")["results"]
    assert "code" not in row


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ({}, "Give a revision, or code with the example or draft that it belongs to."),
        ({"code": "x"}, "Give a revision, or code with the example or draft that it belongs to."),
    ],
)
def test_a_run_of_nothing_is_refused(api: Client, data: dict[str, Any], answer: str) -> None:
    assert post(api, "/runs/", data) == (400, {"non_field_errors": [answer]})


def test_a_run_in_an_unknown_runtime_is_refused(api: Client) -> None:
    data = {"revision": head_of(make_draft()).pk, "runtime": "torch"}
    code, answer = post(api, "/runs/", data)
    assert code == 400
    assert answer["runtime"][0].startswith("There is no candidate runtime “torch”. Runtimes: ")


def test_exports_are_listed_and_downloaded(api: Client) -> None:
    dataset = make_dataset("mine")
    data = [dirty.CHAINED | {"Files": {"data.csv": "1,2\n"}}]
    import_files(dataset, [MemorySource("f.json", json.dumps(data).encode())], by=None)
    listed = {row["format"]: row["files"] for row in get(api, "/datasets/mine/exports/")}
    assert [file["name"] for file in listed["t2j"]] == ["mine.json", "mine-files.zip"]
    all_of_it = f"{V1}/datasets/mine/exports/t2j/?only=all"
    response = api.get(all_of_it, headers={"Accept": "application/zip"})
    assert response["Content-Disposition"] == 'attachment; filename="mine.json"'
    (record,) = json.loads(response.getvalue())["Pytorch_to_JAX_Examples"]
    assert record["LLM_fix_output"] == dirty.FIXED
    archive = zipfile.ZipFile(io.BytesIO(api.get(listed["t2j"][1]["url"] + "?only=all").getvalue()))
    assert archive.read("e1/data.csv") == b"1,2\n"
    response = api.get(f"{V1}/datasets/mine/exports/t2j/")
    # It was never run.
    assert json.loads(response.getvalue())["Pytorch_to_JAX_Examples"] == []
    for path in ("nope/", "t2j/nope.json"):
        assert api.get(f"{V1}/datasets/mine/exports/{path}").status_code == 404
    assert api.get(f"{V1}/datasets/mine/exports/t2j/?only=some").status_code == 400


def test_statistics(api: Client) -> None:
    dataset = make_dataset("mine")
    import_files(dataset, [MemorySource("f.json", json.dumps(dirty.EXAMPLES).encode())], by=None)
    found = get(api, "/datasets/mine/statistics/")
    assert found["fixcost"]["all"]["total"] == 11
    assert found["fixcost"]["behaviour"]["total"] == 10
    assert found["categories"]["total"] == 11


@pytest.mark.parametrize("path", ["datasets", "examples", "drafts", "revisions", "steps", "runs"])
def test_queries_do_not_grow_with_rows(
    api: Client, path: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def add() -> None:
        draft = make_draft()
        steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=None)
        post(api, "/runs/", {"revision": head_of(draft).pk})

    add()
    with django_assert_num_queries(4 if path == "examples" else 3):
        assert len(get(api, f"/{path}/")["results"]) >= 1
    for _ in range(3):
        add()
    with django_assert_num_queries(4 if path == "examples" else 3):
        assert len(get(api, f"/{path}/")["results"]) >= 4


def test_the_schema_and_the_page_that_lists_it(api: Client) -> None:
    schema = api.get(f"{V1}/schema/", headers={"Accept": "application/json"}).json()
    assert schema["openapi"].startswith("3.1")
    paths = set(schema["paths"])
    assert {"/api/v1/steps/", "/api/v1/datasets/{slug}/exports/{export_format}/"} <= paths
    page = api.get(reverse("api-docs")).content.decode()
    for path in paths:
        assert path in page
    # Nothing is loaded from elsewhere.
    assert "https://" not in page


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[" * 100_000, "The JSON is nested too deeply."),
        ('{"slug": 1e400}', "This is not JSON: 1e400 is no finite number"),
        ("{", "This is not JSON: "),
        (b"\xff", "This is not JSON: "),
    ],
)
def test_a_body_that_is_not_json_is_refused(api: Client, body: str, sentence: str) -> None:
    response = api.post(f"{V1}/datasets/", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["detail"].startswith(sentence)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"limit={10**30}", 400),
        ("limit=0", 400),
        ("limit=x", 400),
        ("cursor=nonsense", 400),
        ("cursor=WzFd", 400),
        ("cursor=WyJcdTAwMDAiLDEsMV0", 400),
        (f"dataset={10**30}", 200),
        ("dataset=%00", 400),
    ],
)
def test_absurd_pages_are_refused_or_empty(api: Client, query: str, code: int) -> None:
    assert api.get(f"{V1}/examples/?{query}").status_code == code
