"""Figures that others published: read from CSV, laid beside a dashboard, taken away again."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from curation.enums import MemberRole
from curation.models import AuditEvent, Dataset
from scoring.dashboards import Chosen, Data, board_of
from scoring.dashboards.base import Bars, Board
from scoring.dashboards.published import (
    MOST_ROWS,
    PAPER,
    Row,
    Source,
    Unreadable,
    form_of,
    lay_beside,
    read,
)
from scoring.models import Published
from scoring.services import set_published
from scoring.tables.base import Cell, Column, Table
from tests.factories import make_user
from tests.scoring.dashboards.world import World, make_world

CATEGORIES = Board(
    Table(
        "categories",
        "Table 6",
        "",
        (
            Column("category", "Category"),
            Column("steps", "Steps"),
            Column("share", "Share", percent=True, digits=3),
        ),
        (
            (Cell("API misuse"), Cell(3), Cell(0.75)),
            (Cell("Layout"), Cell(1), Cell(0.25)),
            (Cell("State"), Cell(0), Cell(0.0)),
        ),
    ),
    Bars(("steps",), "category", "share"),
)
PAPERS = Source("A paper", "somewhere, Table 6")


def test_figures_are_read_by_key_or_title() -> None:
    text = "\ufeffCategory, steps ,Share\nAPI misuse,40,24.5 %\n\nLayout,,0.1\n"
    assert read(CATEGORIES.table, text) == [
        Row(("API misuse",), {"steps": 40, "share": 0.245}),
        Row(("Layout",), {"share": 0.1}),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Line 1 names the columns; it lacks “category”"),
        ("steps\n3", "it lacks “category”"),
        ("category,stepz\nx,3", "Line 1: there is no column “stepz”. There are: category, steps"),
        ("category,steps,steps\nx,3,3", "Line 1: the column “steps” stands there twice"),
        ("category,steps\nx,3,4", "Line 2 has 3 cells for 2 columns"),
        ("category,steps\n,3", "Line 2 does not say which row it is"),
        ("category,steps\nx,many", "Line 2, column “steps”: “many” is not a number"),
        ("category,steps\nx,nan", "is not a number"),
        ("category,steps\nx,-1", "is not a number"),
        ("category,steps\nx,1e999", "is not a number"),
        ("category,share\nx,24.5", "“24.5” is not a share such as 0.245 or 24.5 %"),
        ("category,steps\nx,1\n X ,2", "Line 3: “X” has a line already"),
        ("category,steps\nx,", "There is no figure in it"),
        ("category\nx", "There is no figure in it"),
        (f"category,steps\n{'x' * 200_000},1", "is no CSV"),
        (f"category,steps\n{'x' * 201},1", "Line 2: a name is longer than 200 characters"),
        (
            "category,steps\n" + "".join(f"c{at},1\n" for at in range(MOST_ROWS + 1)),
            f"There are more than {MOST_ROWS} lines",
        ),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(CATEGORIES.table, text)
    assert said in str(caught.value)


def test_rows_of_both_sides_stand_side_by_side() -> None:
    rows = [Row(("api  Misuse",), {"steps": 30}), Row(("Numerics",), {"steps": 10})]
    table = lay_beside(CATEGORIES, PAPERS, rows).table
    assert [column.title for column in table.columns[3:]] == ["A paper: Steps", "A paper: Share"]
    assert [[cell.value for cell in row] for row in table.rows] == [
        ["API misuse", 3, 0.75, 30, 0.75],
        ["Layout", 1, 0.25, None, None],
        ["State", 0, 0.0, None, None],
        ["Numerics", None, None, 10, 0.25],
    ]
    assert "A paper: somewhere, Table 6. Not counted here" in table.notes[-1]


def test_shares_follow_from_steps_within_a_category() -> None:
    columns = tuple(Column(key, key) for key in ("category", "subcategory", "steps", "share"))
    board = Board(Table("subcategories", "", "", columns, ()))
    rows = [
        Row(("A", "one"), {"steps": 1}),
        Row(("A", "two"), {"steps": 3}),
        Row(("B", "one"), {"steps": 2}),
        Row(("C", "one"), {"steps": 0.5}),
        Row(("B", "two"), {"steps": 2, "share": 0.4}),
    ]
    found = lay_beside(board, PAPERS, rows).table.rows
    assert [row[-1].value for row in found] == [0.25, 0.75, 0.5, 1, 0.4]


def test_a_mark_stands_where_the_share_would_end_the_bar() -> None:
    shares = {"API misuse": 0.5, "State": 0.4, "Numerics": 0.1}
    rows = [Row((name,), {"share": share}) for name, share in shares.items()]
    figure = lay_beside(CATEGORIES, PAPERS, rows).figure
    assert isinstance(figure, Bars) and figure.marked == "A paper"
    shown = {at: (mark.place, mark.text) for at, mark in figure.marks.items()}
    assert shown == {0: (2, "50.0 %"), 2: (1.6, "40.0 %"), 3: (0.4, "10.0 %")}  # of 4 steps


def test_what_is_filled_in_is_read_back() -> None:
    rows = [Row(("API misuse",), {"steps": 40}), Row(("Layout",), {"share": 0.1})]
    assert read(CATEGORIES.table, form_of(CATEGORIES.table, rows)) == rows
    assert form_of(CATEGORIES.table, []) == "category,steps\nAPI misuse,\nLayout,\nState,\n"


@pytest.fixture
def world(db: None) -> World:
    cache.clear()
    return make_world("little")


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.people["eve"])
    return client


def url(board: str) -> str:
    return reverse("dataset-published", args=["little", board])


def dashboard(client: Client) -> str:
    return client.get(reverse("dataset-dashboard", args=["little"])).content.decode()


def test_a_lead_lays_the_papers_figures_beside_table_5(client: Client, world: World) -> None:
    assert "T2J paper" not in dashboard(client)
    html = client.get(url("fixcost")).content.decode()
    assert "All steps,20,8.15,163" in html  # known from the paper's own words
    source, rows = PAPER["fixcost"]
    table = board_of("fixcost", Data(world.dataset, Chosen())).table
    sent = {"name": source.name, "source": source.text, "figures": form_of(table, rows)}
    assert client.post(url("fixcost"), sent).status_code == 302
    html = dashboard(client)
    assert "T2J paper: Mean" in html and "| 8.15</text>" in html and 'class="mark"' in html
    shown = client.get(reverse("dataset-board-file", args=["little", "fixcost", "csv"]))
    assert "published_total" in shown.content.decode()
    assert client.post(url("fixcost"), {"remove": "yes"}).status_code == 302
    assert "T2J paper" not in dashboard(client)
    told = AuditEvent.objects.filter(action="dataset.published").order_by("pk")
    assert [sorted(event.data) for event in told] == [["board", "now", "was"], ["board", "was"]]


def test_figures_that_cannot_be_read_keep_what_was_typed(client: Client) -> None:
    sent = {"name": "A paper", "source": "", "figures": "category,steps\nx,<b>many</b>"}
    response = client.post(url("categories"), sent)
    html = response.content.decode()
    assert response.status_code == 422 and not Published.objects.exists()
    assert "This field is required" in html and "<b>many" not in html
    assert "&lt;b&gt;many&lt;/b&gt;” is not a number" in html


def test_only_leads_change_them_and_only_beside_some(client: Client, world: World) -> None:
    assert client.get(url("funnel")).status_code == 404
    set_published(world.dataset, "categories", PAPERS, [Row(("x",), {"steps": 1})], by=None)
    Dataset.objects.filter(pk=world.dataset.pk).update(everyone=MemberRole.VIEWER)
    stranger = Client()
    stranger.force_login(make_user("stranger"))
    assert "A paper: Steps" in dashboard(stranger)
    assert stranger.get(url("categories")).status_code == 403
    assert stranger.post(url("categories"), {"remove": "yes"}).status_code == 403
    assert Published.objects.exists()


def test_a_mark_is_read_aloud_with_its_bar(client: Client, world: World) -> None:
    set_published(
        world.dataset, "categories", PAPERS, [Row(("api misuse",), {"steps": 7})], by=None
    )
    assert 'aria-label="API misuse: 3 steps, A paper 100.0 %"' in dashboard(client)
