"""What people do on the pages, done by programs: ledger, assignment, members, trash, undo."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from curation.enums import DraftStatus, MemberRole
from curation.models import AuditEvent, Draft, FixStep
from curation.services import members, steps
from curation.services.steps import StepText
from executor.models import Run
from tests.api.calls import V1, said, send
from tests.factories import (
    DRAFT,
    FIXED,
    head_of,
    make_dataset,
    make_draft,
    make_example,
    make_user,
)

pytestmark = pytest.mark.django_db
CODES = [f"a = {n}\nb = {n}\n" for n in range(4)]


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def api(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


@pytest.fixture
def repaired() -> Draft:
    """A draft with three steps, each of which changes two lines."""
    draft = make_draft(CODES[0])
    for number, code in enumerate(CODES[1:]):
        steps.save_step(draft, base=number, code=code, text=StepText(fix_info=code), by=None)
    return draft


def step_of(draft: Draft, order: int) -> FixStep:
    return draft.steps.get(order=order)


# Steps


def test_a_saved_step_and_a_pasted_draft_are_run(api: Client) -> None:
    example = make_example()
    code, draft = said(api, "post", "/drafts/", {"example": example.pk, "raw_answer": DRAFT})
    assert code == 201
    data = {"draft": draft["id"], "base": 0, "code": FIXED}
    assert said(api, "post", "/steps/", data)[0] == 201
    assert set(Run.objects.values_list("code", flat=True)) == {DRAFT, FIXED}


def test_a_step_is_taken_out_and_the_rest_is_replayed(api: Client, repaired: Draft) -> None:
    code, ledger = said(api, "delete", f"/steps/{step_of(repaired, 3).pk}/")
    assert (code, ledger["lost"]) == (200, [])
    assert [step["order"] for step in ledger["steps"]] == [1, 2]
    assert head_of(repaired).code == CODES[2]
    assert Run.objects.filter(code=CODES[2]).exists()


def test_a_step_that_others_rest_on_leaves_them_lost(api: Client, repaired: Draft) -> None:
    code, ledger = said(api, "delete", f"/steps/{step_of(repaired, 1).pk}/")
    assert (code, ledger["lost"]) == (200, [1, 2])
    lost = ledger["steps"][0]["id"]
    code, step = said(api, "post", f"/steps/{lost}/settle/")
    assert (code, step["settled"], step["after"]) == (200, True, None)
    assert said(api, "post", f"/steps/{lost}/unsettle/")[1]["settled"] is False
    # By lines, it is put where it belongs.
    data = {"first_line": 1, "last_line": 2, "fixed_code": "a = 9\nb = 9"}
    code, ledger = said(api, "post", f"/steps/{lost}/code/", data)
    assert (code, ledger["steps"][0]["after"]) == (200, 1)
    assert head_of(repaired).code == "a = 9\nb = 9\n"


def test_steps_are_merged_split_and_moved(api: Client, repaired: Draft) -> None:
    code, ledger = said(api, "post", f"/steps/{step_of(repaired, 1).pk}/merge/")
    assert (code, len(ledger["steps"])) == (200, 2)
    first = ledger["steps"][0]["id"]
    data = {"error_code": "a = 0\nb = 0", "fixed_code": "a = 2\n\nb = 2"}
    assert said(api, "post", f"/steps/{first}/code/", data)[0] == 200
    code, hunks = said(api, "get", f"/steps/{first}/hunks/")
    assert (code, hunks[0]["old"]) == (200, "a = 0\nb = 0\n")
    code, answer = said(api, "post", f"/steps/{first}/split/", {"first": [0]})
    assert (code, answer["detail"][:22]) == (409, "Choose some of the cha")
    code, ledger = said(api, "post", f"/steps/{first}/move/", {"to": 2})
    assert (code, [step["id"] for step in ledger["steps"]].index(first)) == (200, 1)
    code, answer = said(api, "post", f"/steps/{first}/move/", {"to": 9})
    assert (code, answer["detail"]) == (409, "There is no place 9 in a ledger of 2 steps.")


def test_a_step_of_two_places_is_split(api: Client) -> None:
    draft = make_draft("a = 0\nsame = 1\nb = 0\n")
    code = "a = 1\nsame = 1\nb = 1\n"
    step = steps.save_step(draft, base=0, code=code, text=StepText(), by=None)
    assert len(said(api, "get", f"/steps/{step.pk}/hunks/")[1]) == 2
    code, ledger = said(api, "post", f"/steps/{step.pk}/split/", {"first": [1]})
    assert (code, len(ledger["steps"])) == (200, 2)
    assert draft.revisions.get(number=1).code == "a = 0\nsame = 1\nb = 1\n"


@pytest.mark.parametrize(
    "data",
    [
        {"fixed_code": "x"},
        {"fixed_code": "x", "error_code": "y", "first_line": 1, "last_line": 1},
        {"fixed_code": "x", "first_line": 1},
    ],
)
def test_the_code_of_a_step_is_given_one_way(api: Client, repaired: Draft, data: Any) -> None:
    code, answer = said(api, "post", f"/steps/{step_of(repaired, 1).pk}/code/", data)
    assert code == 400
    assert answer["non_field_errors"] == [
        "Give error_code, or first_line and last_line, beside fixed_code."
    ]


def test_someone_elses_time_is_not_changed(api: Client) -> None:
    draft, ben = make_draft(), make_user("ben")
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(seconds=50), by=ben)
    data = {"seconds": 1, "fix_info": "clearer"}
    code, answer = said(api, "patch", f"/steps/{step.pk}/", data)
    assert (code, answer["seconds"], answer["fix_info"]) == (200, None, "clearer")
    step.refresh_from_db()
    assert step.seconds == 50


def test_nobody_overwrites_words_that_they_have_not_read(api: Client) -> None:
    draft = make_draft()
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=None)
    path = f"/steps/{step.pk}/"
    tag = send(api, "get", path)["ETag"]
    first = send(api, "patch", path, {"fix_info": "mine"}, **{"If-Match": tag})
    second = send(api, "patch", path, {"fix_info": "theirs"}, **{"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    step.refresh_from_db()
    assert step.fix_info == "mine"


# Who works on what, and who may


def test_drafts_are_pulled_given_and_given_back(api: Client, ann: User) -> None:
    dataset = make_dataset("mine")
    draft = make_draft(example=make_example(dataset))
    code, pulled = said(api, "post", "/datasets/mine/next/")
    assert (code, pulled["id"], pulled["assignee"]) == (200, draft.pk, "ann")
    assert [row["id"] for row in said(api, "get", "/drafts/?mine=true")[1]["results"]] == [draft.pk]
    assert said(api, "get", "/drafts/?mine=false")[1]["results"] == []
    assert said(api, "post", f"/drafts/{draft.pk}/release/")[1]["assignee"] is None
    ben = make_user("ben")
    path = f"/drafts/{draft.pk}/assign/"
    assert said(api, "post", path, {"username": "ben"})[1]["assignee"] == "ben"
    assert said(api, "post", f"/drafts/{draft.pk}/release/")[1]["assignee"] == "ben"
    assert said(api, "post", f"/drafts/{draft.pk}/claim/")[1]["assignee"] == "ann"
    members.set_everyone(dataset, None, by=None)
    members.set_role(dataset, ann, MemberRole.ADMIN, by=None)
    code, answer = said(api, "post", path, {"username": "ben"})
    assert (code, answer) == (400, {"username": ["“ben” is no annotator of this dataset."]})
    assert ben.pk != ann.pk
    Draft.objects.update(status=DraftStatus.APPROVED)
    code, answer = said(api, "post", "/datasets/mine/next/")
    assert (code, answer["detail"][:26]) == (409, "Nothing waits for a repair")


def test_members_are_made_changed_and_taken_out(api: Client, ann: User) -> None:
    make_dataset("mine", everyone=None, by=ann)
    make_user("ben")
    path = "/datasets/mine/members/"
    code, found = said(api, "post", path, {"username": "ben", "role": "viewer"})
    assert code == 200
    assert found == [
        {"username": "ann", "role": "admin"},
        {"username": "ben", "role": "viewer"},
    ]
    assert said(api, "post", path, {"username": "ben", "role": None})[1] == found[:1]
    code, answer = said(api, "post", path, {"username": "ann", "role": None})
    assert (code, answer["detail"][:22]) == (409, "ann is the only admin:")
    code, answer = said(api, "post", path, {"username": "nobody", "role": "viewer"})
    assert (code, answer) == (400, {"username": ["There is no account “nobody”."]})
    data = {"everyone": "viewer", "repairs_wanted": 2}
    code, dataset = said(api, "patch", "/datasets/mine/", data)
    assert (code, dataset["everyone"], dataset["repairs_wanted"]) == (200, "viewer", 2)


def test_a_lead_says_whether_times_are_shown_and_nothing_else(client: Client, ann: User) -> None:
    dataset, lead = make_dataset("mine", by=ann), make_user("lead")
    members.set_role(dataset, lead, MemberRole.LEAD, by=None)
    client.force_login(lead)
    code, shown = said(client, "patch", "/datasets/mine/", {"times_shown": True})
    assert (code, shown["times_shown"]) == (200, True)
    both = {"times_shown": False, "everyone": ""}
    assert said(client, "patch", "/datasets/mine/", both)[0] == 403
    dataset.refresh_from_db()
    assert (dataset.times_shown, dataset.everyone) == (True, MemberRole.LEAD)


def test_independent_repairs_are_decided_between(api: Client, ann: User) -> None:
    dataset = make_dataset("mine", by=ann)
    members.set_repairs(dataset, 2, by=None)
    original = make_draft(example=make_example(dataset))
    repairs = []
    for name in ("ben", "eve"):
        other = Client()
        other.force_login(make_user(name))
        _, copy = said(other, "post", "/datasets/mine/next/")
        data = {"draft": copy["id"], "base": 0, "code": FIXED, "fix_info": name}
        assert said(other, "post", "/steps/", data)[0] == 201
        # Blind until both are in.
        assert said(api, "get", f"/drafts/{copy['id']}/")[0] == 404
        assert said(api, "get", f"/events/?draft={copy['id']}")[1]["results"] == []
        said(other, "post", f"/drafts/{copy['id']}/status/", {"do": "submit"})
        repairs.append(copy["id"])
    found = said(api, "get", f"/drafts/?original={original.pk}")[1]["results"]
    assert [row["id"] for row in found] == repairs
    path = f"/drafts/{original.pk}/adopt/"
    assert said(api, "post", path, {"repair": original.pk})[0] == 400
    code, draft = said(api, "post", path, {"repair": repairs[1]})
    assert (code, draft["head"], draft["status"]) == (200, 1, "repairing")
    assert original.steps.get().fix_info == "eve"


# What is deleted, and what is taken back


def test_examples_and_drafts_are_deleted_and_restored(api: Client) -> None:
    draft = make_draft(example=make_example(make_dataset("mine")))
    for path in (f"/drafts/{draft.pk}/", f"/examples/{draft.example_id}/"):
        code, kept = said(api, "delete", path)
        assert (code, kept["dataset"]) == (200, "mine")
        assert said(api, "get", path)[0] == 404
        assert [row["id"] for row in said(api, "get", "/trash/")[1]["results"]] == [kept["id"]]
        assert said(api, "post", f"/trash/{kept['id']}/restore/")[0] == 204
        assert said(api, "get", path)[0] == 200
        assert said(api, "post", f"/trash/{kept['id']}/restore/")[0] == 404


def test_what_was_done_is_listed_and_taken_back(api: Client, ann: User) -> None:
    draft = make_draft()
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=ann)
    code, page = said(api, "get", f"/events/?draft={draft.pk}&action=step.saved")
    (event,) = page["results"]
    assert (code, event["actor"], "data" in event) == (200, "ann", False)
    path = f"/events/{event['id']}/"
    shown = said(api, "get", path)[1]
    assert (shown["undoable"], shown["undone"]) == (True, False)
    code, shown = said(api, "post", f"{path}undo/")
    assert (code, shown["undoable"], shown["undone"]) == (200, False, True)
    assert draft.steps.count() == 0
    code, answer = said(api, "post", f"{path}undo/")
    assert (code, answer["detail"]) == (409, "This was taken back already.")


def test_events_of_no_dataset_are_not_told(api: Client) -> None:
    event = AuditEvent.objects.create(action="token.made", target_type="t", target_id="1")
    assert said(api, "get", "/events/")[1]["results"] == []
    assert said(api, "get", f"/events/{event.pk}/")[0] == 404


# Contracts, filters, files


def test_many_drafts_are_given_run_and_deleted_at_once(api: Client) -> None:
    dataset = make_dataset("mine")
    drafts = [make_draft(example=make_example(dataset)).pk for _ in range(2)]
    foreign = make_draft().pk
    path, named = "/datasets/mine/bulk/", {"drafts": [*drafts, foreign]}
    data = {"do": "assign", "username": "ann"} | named
    assert said(api, "post", path, data) == (200, {"changed": 2})
    assert {row["id"] for row in said(api, "get", "/drafts/?mine=true")[1]["results"]} == {*drafts}
    code, report = said(api, "post", path, {"do": "run"} | named)
    assert (code, report["changed"], report["known"]) == (200, 2, 0)
    code, report = said(api, "post", path, {"do": "delete"} | named)
    assert (code, report["changed"], Draft.objects.get().pk) == (200, 2, foreign)
    assert said(api, "post", path, {"do": "delete"} | named)[0] == 409
    assert said(api, "post", f"/trash/{report['trash']}/restore/")[0] == 204
    assert dataset.examples.filter(drafts__in=drafts).count() == 2


def test_a_contract_is_set_read_and_left_to_recognition(api: Client) -> None:
    draft = make_draft()
    path = f"/examples/{draft.example_id}/contract/"
    assert said(api, "get", path) == (200, {"example": draft.example_id, "contract": None})
    code, answer = said(api, "put", path, {"contract": {"kind": "program", "ignore": ["loss*"]}})
    assert (code, answer["contract"]["ignore"]) == (200, ["loss*"])
    assert draft.runs.count() == 1
    code, answer = said(api, "put", path, {"contract": {"kind": "nonsense"}})
    assert (code, list(answer)) == (400, ["contract"])
    assert said(api, "put", path, {"contract": None})[1]["contract"] is None


def test_drafts_are_found_as_on_the_queue_page(api: Client) -> None:
    dataset = make_dataset("mine")
    one, other = (make_draft(code, example=make_example(dataset)) for code in (DRAFT, "needle\n"))

    def found(query: str) -> list[int]:
        code, page = said(api, "get", f"/drafts/?dataset=mine&{query}")
        assert code == 200, page
        return [row["id"] for row in page["results"]]

    assert found("q=needle") == [other.pk]
    assert found("outcome=none") == [one.pk, other.pk]
    assert found("outcome=none&q=jnp") == [one.pk]
    assert found("outcome=pass") == found("kind=runtime_error") == found("submitted=true") == []
    assert found("difficulty=unknown") == [one.pk, other.pk]
    assert said(api, "get", "/drafts/?outcome=nonsense")[0] == 400


def test_files_are_imported_after_a_look(api: Client) -> None:
    make_dataset("mine")

    def send_file(dry_run: bool) -> Any:
        files = [SimpleUploadedFile("one.py", b"import torch\nprint(torch.ones(2))\n")]
        data = {"files": files, "dry_run": dry_run}
        response = api.post(f"{V1}/datasets/mine/imports/", data)
        assert response.status_code == 200
        job = response.json()
        assert said(api, "get", f"/imports/{job['id']}/") == (200, job)
        return job["report"]

    report = send_file(True)
    assert (report["dry_run"], report["new"]) == (True, 1)
    assert said(api, "get", "/examples/?dataset=mine")[1]["results"] == []
    assert send_file(False)["new"] == 1
    assert send_file(False)["same"] == 1
    response = api.post(f"{V1}/datasets/mine/imports/", {})
    assert (response.status_code, list(response.json())) == (400, ["files"])


def test_an_attached_file_is_fetched_byte_for_byte(api: Client) -> None:
    example = make_example()
    file = example.attachments.create(name="data.npy", content=b"\x93NUMPY\0")
    (shown,) = said(api, "get", f"/examples/{example.pk}/")[1]["attachments"]
    response = api.get(f"{V1}/attachments/{shown['id']}/", headers={"Accept": "text/html"})
    assert (shown["id"], shown["name"]) == (file.pk, "data.npy")
    assert io.BytesIO(response.getvalue()).read() == b"\x93NUMPY\0"
    assert response["Content-Disposition"] == 'attachment; filename="data.npy"'


def test_workers_and_queues_are_told(api: Client) -> None:
    code, fleet = said(api, "get", "/workers/")
    assert (code, fleet["workers"]) == (200, [])
    assert [queue["name"] for queue in fleet["queues"]] == ["cpu", "gpu"]
