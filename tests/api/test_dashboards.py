"""Dashboards by the API: the numbers of the pages, their filters, files, rows and the plan."""

import csv
import io
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from curation.enums import Difficulty
from curation.models import AuditEvent, Dataset
from scoring.dashboards import DASHBOARDS
from scoring.models import Plan
from scoring.tables.base import rounded
from tests.api.calls import V1, said
from tests.factories import make_user
from tests.scoring.dashboards.world import World, make_world

pytestmark = pytest.mark.django_db
NARROWINGS = ["", "?difficulty=easy&by=model", "?model=m1&by=month"]


@pytest.fixture
def world(db: None) -> World:
    cache.clear()
    return make_world()


@pytest.fixture
def api(client: Client, world: World) -> Client:
    client.force_login(world.people["eve"])
    return client


def get(client: Client, path: str) -> Any:
    code, answer = said(client, "get", f"/datasets/little/{path}")
    assert code == 200, answer
    return answer


def test_all_dashboards_are_listed_with_what_narrows_them(api: Client) -> None:
    found = get(api, "dashboards/")
    assert [board["key"] for board in found["boards"]] == list(DASHBOARDS)
    assert found["choices"]["model"][:3] == ["m1", "=1+1", "m2"]
    assert set(found["choices"]["difficulty"]) <= set(Difficulty.values)
    assert "dataset" in found["choices"]["by"]


@pytest.mark.parametrize("query", NARROWINGS)
@pytest.mark.parametrize("board", DASHBOARDS)
def test_numbers_and_files_are_those_of_the_page(api: Client, board: str, query: str) -> None:
    found = get(api, f"dashboards/{board}/{query}")
    page = reverse("dataset-board-file", args=["little", board, "json"]) + query
    theirs = api.get(page).json()
    plain = [
        [rounded(cell["value"]) if isinstance(cell := row[key], dict) else cell for key in row]
        for row in theirs["rows"]
    ]
    assert [[cell["value"] for cell in row] for row in found["rows"]] == plain
    assert (found["key"], found["outdated"]) == (board, False)
    assert found["counted_at"] is not None
    file = api.get(f"{V1}/datasets/little/dashboards/{board}.csv{query}")
    own = api.get(reverse("dataset-board-file", args=["little", board, "csv"]) + query)
    assert (file["Content-Type"], file.content) == ("text/csv", own.content)
    assert len(list(csv.reader(io.StringIO(file.content.decode())))) == len(found["rows"]) + 1


@pytest.mark.parametrize("query", NARROWINGS)
def test_every_number_leads_to_its_rows(api: Client, query: str) -> None:
    followed = 0
    for board in DASHBOARDS:
        for row in get(api, f"dashboards/{board}/{query}")["rows"]:
            for cell in row[1:]:
                if cell["drill"] and isinstance(cell["value"], int):
                    code, found = said(api, "get", rows_of(cell["drill"]))
                    assert (code, len(found["rows"])) == (200, cell["value"]), (board, cell)
                    followed += 1
    assert followed > 20


def rows_of(drill: dict[str, str]) -> str:
    slug = drill.get("in", "little")
    return f"/datasets/{slug}/dashboards/rows/?{urlencode(drill)}"


def test_rows_come_in_pages(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.dashboard_api.ROWS", 2)
    seen, after = [], 0
    while after is not None:
        found = get(api, f"dashboards/rows/?of=drafts&after={after}")
        seen += [row["example"] for row in found["rows"]]
        assert len(found["rows"]) <= 2
        after = found["after"]
    assert len(seen) == len(set(seen)) == 5
    assert said(api, "get", "/datasets/little/dashboards/rows/?after=x")[0] == 400
    assert said(api, "get", "/datasets/little/dashboards/rows/?of=steps&month=x")[0] == 400


def test_what_is_not_there(api: Client) -> None:
    assert said(api, "get", "/datasets/little/dashboards/none/")[0] == 404
    assert said(api, "get", "/datasets/little/dashboards/funnel.exe")[0] == 404
    assert api.get(f"{V1}/datasets/little/dashboards/funnel.svg").content.startswith(b"<svg")
    assert api.get(f"{V1}/datasets/little/dashboards/funnel.png").content.startswith(b"\x89PNG")


def test_a_lead_sets_the_plan(api: Client, world: World) -> None:
    body = {"approved_wanted": 4, "due": "2030-01-31", "names_shown": True}
    assert said(api, "get", "/datasets/little/plan/") == (
        200,
        {"approved_wanted": None, "due": None, "names_shown": False},
    )
    assert said(api, "put", "/datasets/little/plan/", body) == (200, body)
    plan = Plan.objects.get()
    assert (plan.approved_wanted, str(plan.due), plan.names_shown) == (4, "2030-01-31", True)
    assert AuditEvent.objects.filter(action="dataset.plan", actor=world.people["eve"]).exists()
    code, answer = said(api, "put", "/datasets/little/plan/", {"due": None})
    assert code == 400 and "names_shown" in answer
    wanted = get(api, "dashboards/plan/")["rows"][0]
    assert [cell["value"] for cell in wanted] == ["Wanted", 4]


def test_a_lead_lays_published_figures_beside_a_dashboard(api: Client) -> None:
    url = "/datasets/little/dashboards/categories/published/"
    none = {
        "name": "",
        "source": "",
        "figures": "category,steps\nAPI misuse,\nShape,\nNo category,\n",
    }
    get(api, "dashboards/categories/")  # counts
    assert said(api, "get", url) == (200, none)
    body = {
        "name": "A paper",
        "source": "its Table 6",
        "figures": "category,steps\nAPI misuse,40\n",
    }
    assert said(api, "put", url, body) == (200, body)
    assert said(api, "get", url) == (200, body)
    found = get(api, "dashboards/categories/")
    assert [column["key"] for column in found["columns"][-2:]] == [
        "published_steps",
        "published_share",
    ]
    assert [cell["value"] for cell in found["rows"][0][-2:]] == [40, 1]
    code, answer = said(api, "put", url, body | {"figures": "category,steps\nAPI misuse,lots"})
    assert code == 400 and "Line 2, column “steps”" in str(answer)
    assert said(api, "delete", url)[0] == 204
    assert said(api, "get", url) == (200, none)
    assert said(api, "get", "/datasets/little/dashboards/funnel/published/")[0] == 404


def test_people_are_named_only_where_a_lead_says_so(api: Client) -> None:
    assert "little-ada" not in str(get(api, "dashboards/annotators/"))
    body = {"approved_wanted": None, "due": None, "names_shown": True}
    said(api, "put", "/datasets/little/plan/", body)
    assert "little-ada" in str(get(api, "dashboards/annotators/"))


def test_other_datasets_are_laid_beside_only_where_one_may_read_them(api: Client) -> None:
    make_world("other")
    Dataset.objects.filter(slug="other").update(everyone="")
    assert "other" not in str(get(api, "dashboards/breakdown/?by=dataset")["columns"])
    stranger = Client()
    stranger.force_login(make_user())
    assert said(stranger, "get", "/datasets/other/dashboards/")[0] == 404
