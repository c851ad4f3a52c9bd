"""FixCost and category counts, pure and over a dataset."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from curation.enums import DraftStatus, StepKind
from curation.models import Category, Dataset, Draft, Subcategory
from curation.services import steps
from curation.services.steps import StepText
from scoring.queries import category_table, fixcost
from scoring.statistics import FixCost, Share, fixcost_of, shares_of
from tests.factories import DRAFT, make_dataset, make_draft, make_example


def test_fixcost_of_several_drafts() -> None:
    # Mean 13/4 and the middle of 2 and 3, by hand.
    assert fixcost_of([2, 0, 8, 3]) == FixCost(
        drafts=4, total=13, mean=3.25, median=2.5, min=0, max=8
    )


def test_fixcost_without_drafts_has_no_numbers() -> None:
    assert fixcost_of([]) == FixCost(drafts=0, total=0)


def test_shares() -> None:
    assert shares_of({"a": 3, "b": 1, "c": 0}) == {
        "a": Share(3, 0.75),
        "b": Share(1, 0.25),
        "c": Share(0, 0.0),
    }
    assert shares_of({"a": 0}) == {"a": Share(0, 0.0)}


@pytest.fixture
def dataset(db: None) -> Dataset:
    """Drafts of 3, 1, 0 (verified) and 0 (untouched) steps."""
    dataset = make_dataset("mine")
    api = Category.objects.create(slug="api", name="API misuse", position=0)
    Category.objects.create(slug="shape", name="Shape", position=1)
    sub = Subcategory.objects.create(category=api, slug="name", name="Hallucinated name")
    texts = [
        [StepText(category=api, subcategory=sub), StepText(category=api), StepText()],
        [StepText(category=api, subcategory=sub, kind=StepKind.FORMAT)],
        [],
        [],
    ]
    drafts = [add_draft(dataset, said) for said in texts]
    Draft.objects.filter(pk=drafts[2].pk).update(status=DraftStatus.VERIFIED)
    add_draft(make_dataset("other"), [StepText(category=api)])
    return dataset


def add_draft(dataset: Dataset, texts: list[StepText]) -> Draft:
    draft = make_draft(example=make_example(dataset))
    for number, text in enumerate(texts):
        code = f"{DRAFT}# {number}\n"
        steps.save_step(draft, base=number, code=code, text=text, by=None)
    return draft


def test_fixcost_of_a_dataset(dataset: Dataset) -> None:
    costs = fixcost(dataset)
    assert costs.all == FixCost(drafts=3, total=4, mean=4 / 3, median=1.0, min=0, max=3)
    assert costs.behaviour == FixCost(drafts=3, total=3, mean=1.0, median=0.0, min=0, max=3)
    assert costs.untouched == 1


def test_categories_of_a_dataset(dataset: Dataset) -> None:
    table = category_table(dataset)
    assert table.total == 4
    assert [(row.slug, row.count, row.share) for row in table.rows] == [
        ("api", 3, 0.75),
        ("shape", 0, 0.0),
        ("", 1, 0.25),
    ]
    assert [(sub.slug, sub.count, sub.share) for sub in table.rows[0].subcategories] == [
        ("name", 2, 2 / 3),
        ("", 1, 1 / 3),
    ]


def test_both_take_few_queries(
    dataset: Dataset, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4):
        category_table(dataset)
        fixcost(dataset)


def test_the_command_prints_json_and_a_table(dataset: Dataset) -> None:
    out = io.StringIO()
    call_command("statistics", "mine", json=True, stdout=out)
    found = json.loads(out.getvalue())
    assert found["dataset"] == "mine"
    assert found["fixcost"]["all"]["total"] == 4
    assert found["categories"]["rows"][0]["count"] == 3
    out = io.StringIO()
    call_command("statistics", "mine", stdout=out)
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert ["all", "steps", "3", "4", "1.33", "1.0", "0", "3"] in lines
    assert ["API", "misuse", "3", "75.0%"] in lines


def test_an_unknown_dataset_is_refused_with_those_there_are(dataset: Dataset) -> None:
    with pytest.raises(CommandError, match=r"no dataset “nope”\. Datasets: mine, other\."):
        call_command("statistics", "nope")
