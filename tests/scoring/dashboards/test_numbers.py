"""Every number of every dashboard, held against the table in world.py, counted by hand."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from curation.models import AuditEvent
from scoring.dashboards import DASHBOARDS, Chosen, Data
from scoring.services import set_plan
from scoring.summaries import rebuild, stamps, state_of
from tests.factories import make_dataset
from tests.scoring.dashboards.world import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    rebuild(world.dataset)
    return world


def values(world: World, key: str, **query: str) -> list[tuple[Any, ...]]:
    data = Data(world.dataset, Chosen.of(query))
    return [tuple(cell.value for cell in row) for row in DASHBOARDS[key].make(data).table.rows]


def heads(world: World, key: str, **query: str) -> list[str]:
    data = Data(world.dataset, Chosen.of(query))
    return [column.title for column in DASHBOARDS[key].make(data).table.columns]


def test_table_6(world: World) -> None:
    assert values(world, "categories") == [
        ("API misuse", 3, 0.6, 2, 1, 0),
        ("Shape", 1, 0.2, 1, 0, 0),
        ("No category", 1, 0.2, 1, 0, 0),
    ]


def test_tables_7_and_8(world: World) -> None:
    assert values(world, "subcategories") == [
        ("API misuse", "Invented name", 2, 2 / 3),
        ("API misuse", "No subcategory", 1, 1 / 3),
    ]


def test_categories_by_difficulty_model_and_month(world: World) -> None:
    assert heads(world, "breakdown") == ["Category", "Easy", "Medium"]
    assert values(world, "breakdown") == [
        ("API misuse", 3, 0),
        ("Shape", 0, 1),
        ("No category", 1, 0),
    ]
    assert heads(world, "breakdown", by="model") == ["Category", "m1", "=1+1", "m2"]
    assert values(world, "breakdown", by="model")[0] == ("API misuse", 2, 0, 1)
    assert heads(world, "breakdown", by="month") == ["Category", f"{timezone.now():%Y-%m}"]


def test_categories_by_dataset(world: World) -> None:
    other = make_world("other")
    rebuild(other.dataset)
    data = Data(world.dataset, Chosen.of({"by": "dataset"}), [other.dataset])
    table = DASHBOARDS["breakdown"].make(data).table
    assert sorted(column.title for column in table.columns[1:]) == ["little", "other"]
    assert [cell.value for cell in table.rows[0]] == ["API misuse", 3, 3]


def test_table_5(world: World) -> None:
    # Drafts a, b, c and e took 3, 1, 0 and 1 steps; of d nothing is known.
    assert values(world, "fixcost") == [
        ("All steps", 4, 0, 3, 1.25, 1.0, 5),
        ("Behaviour", 4, 0, 3, 1.0, 0.5, 4),
    ]
    assert values(world, "distribution") == [
        (0, 1, 0.25, 0.25),
        (1, 2, 0.5, 0.75),
        (3, 1, 0.25, 1.0),
    ]


def test_steps_to_pass(world: World) -> None:
    assert values(world, "survival") == [(0, 4, 1, 0, 0.75), (1, 3, 0, 2, 0.75), (3, 1, 1, 0, 0.0)]


def test_funnel_and_plan(world: World) -> None:
    assert values(world, "funnel") == [
        ("Drafts", 5, 1.0, 1.0),
        ("Executed", 4, 0.8, 0.8),
        ("Newest revision matches", 2, 0.4, 0.5),
        ("Approved", 1, 0.2, 0.5),
    ]
    assert [row[1] for row in values(world, "plan")] == [5, 1, 1, 2, 1, 4]
    due = timezone.now().date() + timedelta(days=14)
    set_plan(world.dataset, approved_wanted=3, due=due, names_shown=False, by=None)
    assert [row[1] for row in values(world, "plan")] == [3, 1, 1, 2, 1, 2]
    table = DASHBOARDS["plan"].make(Data(world.dataset, Chosen())).table
    assert table.caption.startswith("1.0 a week are needed until ")


def test_errors_by_rung(world: World) -> None:
    assert values(world, "rungs") == [
        ("numeric: value mismatch", "numeric", "fail", 1, 0.5),
        ("undecided: needs data", "", "undecided", 1, 0.5),
    ]


def test_category_against_what_was_wrong_before_the_step(world: World) -> None:
    assert heads(world, "heat-map")[1:] == [
        "Runtime error",
        "Value mismatch",
        "Undecided",
        "Not run",
    ]
    assert values(world, "heat-map") == [
        ("API misuse", 2, 1, 0, 0),
        ("Shape", 0, 0, 1, 0),
        ("No category", 0, 0, 0, 1),
    ]


def test_freshness_follows_the_contract(world: World) -> None:
    month = f"{timezone.now():%Y-%m}"
    assert values(world, "freshness") == [(month, 4, 0, 0), ("Not run", 0, 0, 1)]
    example = world.drafts["a"].example
    example.pytorch_code += "# changed\n"
    example.save(update_fields=["pytorch_code"])
    rebuild(world.dataset)
    assert values(world, "freshness") == [(month, 3, 1, 0), ("Not run", 0, 0, 1)]


def test_work_by_week_and_by_person(world: World) -> None:
    assert [row[1:] for row in values(world, "throughput")] == [(5, 2.5, 1)]
    assert values(world, "annotators") == [
        ("Annotator 1", 4, 0.8, 2.0, 2.0, 0),
        ("Annotator 2", 1, 0.2, 0.5, 2.0, 0),
        ("Annotator 3", 0, 0.0, 0.0, None, 1),
    ]
    set_plan(world.dataset, approved_wanted=None, due=None, names_shown=True, by=None)
    assert [row[0] for row in values(world, "annotators")] == [
        "little-ada",
        "little-bob",
        "little-eve",
    ]


def test_difficulty_and_model_narrow_everything_that_is_counted(world: World) -> None:
    assert values(world, "funnel", difficulty="hard")[0][1] == 2
    assert values(world, "categories", difficulty="easy", model="m2")[0] == (
        *("API misuse", 1, 1.0),
        *(0, 1, 0),
    )
    assert values(world, "distribution", model="m1") == [(0, 1, 0.5, 0.5), (3, 1, 0.5, 1.0)]


def test_further_repairs_of_a_draft_are_not_counted(world: World) -> None:
    copied = world.drafts["b"]
    copied.original = world.drafts["a"]
    copied.save(update_fields=["original"])
    rebuild(world.dataset)
    assert values(world, "funnel")[0][1] == 4
    assert values(world, "categories")[0][1] == 2


def test_an_event_that_comes_late_is_noticed(world: World) -> None:
    before = stamps([world.dataset])
    newest = AuditEvent.objects.latest("pk").pk
    AuditEvent.objects.create(pk=newest + 5, action="x", dataset=world.dataset)
    after = stamps([world.dataset])
    AuditEvent.objects.create(pk=newest + 2, action="x", dataset=world.dataset)
    assert len({str(each) for each in (before, after, stamps([world.dataset]))}) == 3


def test_what_changed_is_counted_again_and_only_then(world: World) -> None:
    first = state_of([world.dataset])[world.dataset.pk]
    assert state_of([world.dataset])[world.dataset.pk] == first
    set_plan(world.dataset, approved_wanted=9, due=None, names_shown=False, by=None)
    assert state_of([world.dataset])[world.dataset.pk].made_at != first.made_at


def test_an_empty_dataset_has_every_dashboard() -> None:
    dataset = make_dataset()
    state_of([dataset])
    for entry in DASHBOARDS.values():
        entry.make(Data(dataset, Chosen()))
