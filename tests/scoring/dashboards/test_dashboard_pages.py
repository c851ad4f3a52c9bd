"""The dashboard page: links lead to the rows that a number counts, files, names, large datasets."""

import csv
import io
import json
import re
import struct
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from curation.models import AuditEvent, Category
from curation.services.steps import StepText, save_step
from scoring import summaries
from scoring.dashboards import DASHBOARDS, Chosen, Data
from scoring.dashboards.pixels import png_of
from scoring.models import Plan
from scoring.services import set_plan
from scoring.summary_tasks import count_dataset
from tests.factories import FIXED
from tests.scoring.dashboards.world import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    cache.clear()
    return make_world()


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.people["eve"])
    return client


def page(client: Client, world: World, query: str = "") -> str:
    response = client.get(reverse("dataset-dashboard", args=[world.dataset.slug]) + query)
    assert response.status_code == 200
    return response.content.decode()


def numbers(world: World, **query: str) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Every counted number that has a link, with what the link says."""
    for key, entry in DASHBOARDS.items():
        for row in entry.make(Data(world.dataset, Chosen.of(query))).table.rows:
            for cell in row[1:]:
                if cell.drill and isinstance(cell.value, int):
                    yield key, cell.value, dict(cell.drill)


@pytest.mark.parametrize("query", [{}, {"difficulty": "easy", "by": "model"}])
def test_every_link_leads_to_as_many_rows_as_its_number_says(
    client: Client, world: World, query: dict[str, str]
) -> None:
    html = page(client, world, f"?{urlencode(query)}")
    narrowing = {key: value for key, value in query.items() if key != "by"}
    links = {
        frozenset(parse_qsl(found.replace("&amp;", "&")))
        for found in re.findall(r'href="/datasets/little/dashboard/rows/\?([^"]*)"', html)
    }
    seen = set()
    for key, value, drill in numbers(world, **query):
        asked = narrowing | drill
        assert frozenset(asked.items()) in links, (key, asked)
        response = client.get(reverse("dataset-rows", args=["little"]), asked)
        shown = re.search(r"<h1>(\d+) ", response.content.decode())
        assert shown and int(shown[1]) == value, (key, asked)
        seen.add(key)
    assert {"categories", "funnel", "rungs", "survival", "freshness"} <= seen


def test_rows_of_verdicts_open_in_the_queue(client: Client, world: World) -> None:
    page(client, world)
    response = client.get(
        reverse("dataset-rows", args=["little"]), {"outcome": "fail", "kind": "value_mismatch"}
    )
    assert "/datasets/little/?outcome=fail&amp;kind=value_mismatch" in response.content.decode()


@pytest.mark.parametrize(
    "query", ["steps=many", "of=steps&month=2026-13", "of=steps&week=no", "passed_after=²"]
)
def test_an_address_that_makes_no_sense_is_refused_in_words(
    client: Client, world: World, query: str
) -> None:
    response = client.get(reverse("dataset-rows", args=["little"]) + f"?{query}")
    assert response.status_code == 400
    assert "is no " in response.content.decode()


def test_rows_come_a_page_at_a_time(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.dashboard_views.ROWS", 2)
    page(client, world)
    url, shown = reverse("dataset-rows", args=["little"]), []
    for _ in range(3):
        html = client.get(url).content.decode()
        shown += re.findall(r'href="/drafts/(\d+)/"', html)
        following = re.search(r'href="(\?[^"]*)" rel="next"', html)
        url = reverse("dataset-rows", args=["little"]) + (following[1] if following else "")
    assert shown == [str(draft.pk) for draft in world.drafts.values()]


def test_charts_have_names_and_links_that_read_aloud(client: Client, world: World) -> None:
    html = page(client, world)
    assert html.count('<svg class="chart"') >= 10
    assert 'aria-label="API misuse: 3 steps"' in html
    assert 'aria-label="API misuse, Runtime error: 2"' in html
    assert 'aria-label="Table 6: categories of 5 fix steps. The table beside it' in html


def file(client: Client, board: str, ending: str, query: str = "") -> bytes:
    url = reverse("dataset-board-file", args=["little", board, ending])
    response = client.get(url + query)
    assert response.status_code == 200
    assert f'filename="little-{board}.{ending}"' in response["Content-Disposition"]
    return response.content


def test_files_hold_what_the_page_shows(client: Client, world: World) -> None:
    Category.objects.filter(slug="api").update(name="=HYPERLINK(1)")
    lines = list(csv.reader(io.StringIO(file(client, "categories", "csv").decode())))
    assert lines[:2] == [
        ["category", "steps", "share", "behaviour", "format", "reference"],
        ["'=HYPERLINK(1)", "3", "0.6", "2", "1", "0"],
    ]
    found = json.loads(file(client, "funnel", "json", "?difficulty=hard"))
    assert [row["drafts"] for row in found["rows"]] == [2, 1, 1, 0]
    svg = ElementTree.fromstring(file(client, "categories", "svg"))
    words = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "=HYPERLINK(1)" in words and "3 · 60.0 %" in words
    assert not list(svg.iter("{http://www.w3.org/2000/svg}a"))


def test_a_chart_comes_as_pixels_with_its_letters(client: Client, world: World) -> None:
    drawn = file(client, "categories", "png")
    svg = file(client, "categories", "svg").decode()
    root = ElementTree.fromstring(svg)
    assert drawn.startswith(b"\x89PNG")
    wide, high = struct.unpack(">II", drawn[16:24])
    assert (wide, high) == tuple(2 * int(root.attrib[name]) for name in ("width", "height"))
    # Without letters, or with a box for each, other words would look the same.
    assert png_of(svg) == drawn != png_of(svg.replace("API misuse", "API missed"))


def test_files_there_are_none_of_are_not_found(client: Client, world: World) -> None:
    missing = (("nope", "csv"), ("categories", "exe"), ("agreement", "svg"), ("agreement", "png"))
    for board, ending in missing:
        url = reverse("dataset-board-file", args=["little", board, ending])
        assert client.get(url).status_code == 404


def test_names_in_programs_and_taxonomies_are_only_ever_text(client: Client, world: World) -> None:
    Category.objects.filter(slug="api").update(name="<script>alert(1)</script>")
    world.drafts["b"].__class__.objects.update(model='"><img src=x onerror=alert(1)>')
    AuditEvent.objects.create(action="x", dataset=world.dataset)
    html = page(client, world, "?by=model")
    assert "<script>alert" not in html and "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_people_are_named_only_where_a_lead_said_so(client: Client, world: World) -> None:
    assert "little-ada" not in page(client, world)
    response = client.post(reverse("dataset-plan", args=["little"]), {"names_shown": "on"})
    assert response.status_code == 302
    assert "little-ada" in page(client, world)
    event = AuditEvent.objects.filter(action="dataset.plan").get()
    assert event.actor == world.people["eve"] and event.data["now"]["names_shown"] is True


def test_a_plan_that_is_none_is_refused_in_words(client: Client, world: World) -> None:
    url = reverse("dataset-plan", args=["little"])
    response = client.post(url, {"approved_wanted": "-1", "due": "soon"})
    assert response.status_code == 422
    assert "Enter a valid date" in response.content.decode()
    assert not Plan.objects.exists()


def test_a_large_dataset_is_counted_by_a_worker(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "AT_ONCE_DRAFTS", 2)
    assert "counted for the first time" in page(client, world)
    count_dataset(world.dataset.pk)
    assert "categories of 5 fix steps" in page(client, world)
    save_step(world.drafts["d"], base=0, code=FIXED, text=StepText(), by=None)
    html = page(client, world)
    assert "Something changed since" in html and "categories of 5 fix steps" in html
    monkeypatch.setattr(summaries, "REST", 0)
    count_dataset(world.dataset.pk)
    html = page(client, world)
    assert "Something changed since" not in html and "categories of 6 fix steps" in html


def test_the_same_plan_again_leaves_no_event(world: World) -> None:
    for _ in range(2):
        set_plan(world.dataset, approved_wanted=3, due=None, names_shown=False, by=None)
    assert AuditEvent.objects.filter(action="dataset.plan").count() == 1
