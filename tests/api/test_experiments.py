"""Experiments, translations, scores, prompts and models by the API."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from curation.enums import MemberRole
from curation.services import steps
from curation.services.steps import StepText
from executor.models import Run
from scoring import judging
from tests.api.calls import V1, said
from tests.curation.test_access import World
from tests.factories import make_draft, make_example

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    call_command("load_prompts", stdout=io.StringIO())
    return World("mine")


@pytest.fixture
def lead(client: Client, world: World) -> Client:
    client.force_login(world.people[MemberRole.LEAD])
    return client


SETTING = {"name": "plain", "model": "m-mine", "use": "standard"}
EXPERIMENT = {
    "dataset": "mine",
    "slug": "new",
    "title": "New",
    "kind": "intrinsic",
    "spend_limit": "2.5",
    "settings": [
        SETTING,
        {
            "name": "fixed",
            "model": "m-mine",
            "use": "augmented",
            "context": {"source": "loo", "keep": 3},
            "samples": 2,
        },
    ],
}


def test_an_experiment_is_planned_started_and_stopped(lead: Client) -> None:
    code, made = said(lead, "post", "/experiments/", EXPERIMENT)
    assert (code, made["state"], made["spend_limit"]) == (201, "ready", "2.50000000")
    plain, fixed = (row["setting"] for row in made["settings"])
    assert (plain["prompt"], plain["version"], plain["context"]) == ("standard", 1, "no context")
    assert (fixed["samples"], fixed["context"][:13]) == (2, "leave one out")
    code, shown = said(lead, "post", "/experiments/new/limit/", {"spend_limit": None})
    assert (code, shown["spend_limit"]) == (200, None)
    assert said(lead, "post", "/experiments/new/start/")[1]["state"] == "running"
    code, shown = said(lead, "post", "/experiments/new/stop/")
    assert (shown["state"], shown["reason"][:10]) == ("stopped", "Stopped by")
    found = said(lead, "get", "/experiments/?dataset=mine&state=stopped")[1]["results"]
    assert [row["slug"] for row in found] == ["new"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "x-mine"}, "slug"),
        ({"settings": []}, "settings"),
        ({"settings": [SETTING, SETTING]}, "settings"),
        ({"settings": [SETTING | {"model": "nope"}]}, "settings"),
        ({"settings": [SETTING | {"prompt": "nope"}]}, "settings"),
        ({"settings": [SETTING | {"version": 9}]}, "settings"),
        ({"settings": [SETTING | {"runtime": "nope"}]}, "settings"),
        ({"settings": [SETTING | {"use": "augmented"}]}, "settings"),
        ({"kind": "extrinsic"}, "settings"),
        ({"reference": "nope"}, "reference"),
        ({"dataset": "foreign"}, "dataset"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(
    lead: Client, change: dict[str, Any], field: str
) -> None:
    code, answer = said(lead, "post", "/experiments/", EXPERIMENT | change)
    assert (code, list(answer)) == (400, [field])


def test_an_answer_fetched_by_hand_is_pasted_and_queued(lead: Client, world: World) -> None:
    path = f"/translations/{world.translation.pk}/"
    code, shown = said(lead, "get", path)
    assert (code, shown["state"], shown["prompt"][0]["role"]) == (200, "planned", "user")
    assert said(lead, "post", f"{path}queue/")[0] == 409
    answer = "Here:\n```python\nx = 1\n```\n"
    code, shown = said(lead, "post", f"{path}paste/", {"answer": answer})
    assert (code, shown["state"], shown["code"], shown["answer"]) == (
        *(200, "drafted", "x = 1\n"),
        answer,
    )
    assert Run.objects.filter(code="x = 1\n").exists()
    code, refused = said(lead, "post", f"{path}paste/", {"answer": answer})
    assert (code, refused["detail"]) == (409, "This translation has its code already.")
    code, shown = said(lead, "post", f"{path}queue/")
    assert (code, shown["draft"] is not None) == (200, True)
    (row,) = said(lead, "get", "/translations/?experiment=x-mine&state=drafted")[1]["results"]
    assert (row["outcome"], "code" in row) == ("queued", False)


def test_numbers_are_read_as_scores_and_as_tables(lead: Client, world: World) -> None:
    (score,) = said(lead, "get", "/scores/?experiment=x-mine")[1]["results"]
    assert (score["value"], score["setting"], score["translation"]) == (
        *(1.0, "s"),
        world.translation.pk,
    )
    code, table = said(lead, "get", "/experiments/x-mine/tables/2/")
    assert (code, table["title"], len(table["rows"][0])) == (200, "Table 2", len(table["columns"]))
    assert table["rows"][0][0]["value"] == "s"
    assert said(lead, "get", "/experiments/x-mine/tables/99/")[0] == 404
    assert said(lead, "post", "/experiments/x-mine/score/")[0] == 202
    code, report = said(lead, "get", "/datasets/mine/agreement/")
    assert (code, report["drafts"], report["whole"]["category"]["value"]) == (200, 0, None)


def test_prompts_get_their_next_version_from_a_lead(lead: Client, world: World) -> None:
    path = "/prompts/standard/versions/"
    text = "Translate:\n{{pytorch_code}}\n"
    code, prompt = said(lead, "post", path, {"text": text})
    assert (code, [each["number"] for each in prompt["versions"]]) == (200, [2, 1])
    assert said(lead, "get", "/prompts/standard/") == (200, prompt)
    code, answer = said(lead, "post", path, {"text": "no placeholder"})
    assert (code, list(answer)) == (400, ["text"])
    reader = Client()
    reader.force_login(world.people[MemberRole.REVIEWER])
    assert said(reader, "post", path, {"text": text + "\n"})[0] == 403


def test_models_are_listed_without_address_and_key(lead: Client) -> None:
    code, page = said(lead, "get", "/models/?enabled=true")
    assert (code, page["results"][0]["name"]) == (200, "m-mine")
    assert "recorded:" not in json.dumps(page)


def test_what_drafts_are_held_against_is_changed(lead: Client, world: World) -> None:
    path = "/experiments/x-mine/reference/"
    code, shown = said(lead, "post", path, {"reference": "s"})
    assert (code, shown["reference"]) == (200, "s")
    code, refused = said(lead, "post", path, {"reference": "none"})
    assert (code, "none" in refused["detail"]) == (409, True)
    assert said(lead, "post", path, {"reference": ""})[1]["reference"] is None


def test_judges_are_stopped(lead: Client, world: World) -> None:
    experiment = world.translation.setting.experiment
    purse = judging.purse_of(experiment)
    type(purse).objects.filter(pk=purse.pk).update(state="running")
    assert said(lead, "post", "/experiments/x-mine/stop-judges/")[0] == 200
    purse.refresh_from_db()
    assert purse.state == "stopped"


def test_experiments_are_compared(lead: Client, world: World) -> None:
    code, table = said(lead, "get", "/experiments/compare/?of=x-mine")
    assert (code, table["columns"][1]["title"]) == (200, "x-mine / s")
    code, answer = said(lead, "get", "/experiments/compare/?of=x-mine,other")
    assert (code, "other" in answer["of"][0]) == (400, True)


def test_a_table_is_a_file_too(lead: Client, world: World) -> None:
    path = f"{V1}/experiments/x-mine/tables"
    response = lead.get(f"{path}/2.csv", headers={"Accept": "text/csv"})
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv")
    assert response.content == lead.get("/experiments/x-mine/tables/2.csv").content
    assert lead.get(f"{path}/2.png").status_code == 404


def test_a_model_is_asked_anew(lead: Client, world: World) -> None:
    path = f"/translations/{world.translation.pk}/anew/"
    code, refused = said(lead, "post", path)
    assert (code, "not answered yet" in refused["detail"]) == (409, True)
    model = world.translation.setting.model
    type(model).objects.filter(pk=model.pk).update(base_url="http://127.0.0.1:9/v1")
    answer = {"answer": "```\nx = 1\n```"}
    said(lead, "post", f"/translations/{world.translation.pk}/paste/", answer)
    code, shown = said(lead, "post", path)
    assert (code, shown["state"]) == (200, "planned")


def test_prompts_to_ask_by_hand(lead: Client, world: World) -> None:
    path = f"/examples/{world.example.pk}/prompt/"
    code, plain = said(lead, "get", f"{path}?prompt=standard")
    assert (code, plain["context"]) == (200, {})
    assert world.example.pytorch_code in plain["messages"][-1]["content"]
    code = "import torch\nprint(torch.ones(9))\n"
    other = make_draft(example=make_example(world.dataset, code=code))
    mended = "import jax.numpy as jn\nshow(jn.ones(9))\n"  # no line of the other one's fix
    steps.save_step(other, base=0, code=mended, text=StepText(), by=None)
    code, fixed = said(lead, "get", path)
    names = [each["Example_id"] for each in fixed["context"]["Pytorch_to_JAX_Examples"]]
    assert (code, names) == (200, [other.example.example_id])
    assert said(lead, "get", f"{path}?keep=-1")[0] == 400
    assert said(lead, "get", f"/translations/{world.translation.pk}/context/") == (200, {})
