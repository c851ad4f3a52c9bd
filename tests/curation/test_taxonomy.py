"""Renaming, merging, splitting and dissolving categories: what changes, who may, the way back."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from curation.enums import MemberRole
from curation.models import AuditEvent, Category, FixStep, Subcategory
from curation.permissions import access_to
from curation.services import members, taxonomy, trash
from curation.services.ledger import remove_step
from curation.services.steps import StepText, save_step
from curation.services.taxonomy import apply, preview
from curation.services.taxonomy_changes import (
    Add,
    Dissolve,
    Merge,
    Move,
    Place,
    Rename,
    Split,
    TaxonomyRefused,
    Words,
)
from curation.services.undo import undo as undo_event
from tests.factories import FIXED, make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


class World:
    """Two categories with a subcategory each, and a step at every place."""

    def __init__(self, lead: User) -> None:
        self.lead = lead
        self.dataset = make_dataset(by=lead, everyone=None)
        self.api = Category.objects.create(slug="api", name="API misuse")
        self.state = Category.objects.create(slug="state", name="State", position=1)
        self.name = Subcategory.objects.create(category=self.api, slug="name", name="Name")
        self.same = Subcategory.objects.create(category=self.state, slug="name", name="Name")
        self.argument = Subcategory.objects.create(
            category=self.api, slug="argument", name="Argument"
        )
        self.steps = {
            place: self.step(*place)
            for place in (
                (self.api, None),
                (self.api, self.name),
                (self.api, self.argument),
                (self.state, self.same),
            )
        }

    def step(self, category: Category, subcategory: Subcategory | None) -> FixStep:
        draft = make_draft(example=make_example(self.dataset))
        text = StepText(fix_info="why", category=category, subcategory=subcategory)
        return save_step(draft, base=0, code=FIXED, text=text, by=self.lead)


@pytest.fixture
def world() -> World:
    return World(make_user("lead"))


def places() -> list[tuple[str, str]]:
    rows = FixStep.objects.order_by("pk").values_list("category__name", "subcategory__name")
    return [(category, sub or "") for category, sub in rows]


def picture() -> Any:
    """Everything that an undo has to bring back."""
    return (
        list(Category.ever.order_by("pk").values()),
        list(Subcategory.ever.order_by("pk").values()),
        list(FixStep.objects.order_by("pk").values("pk", "category", "subcategory")),
    )


def test_names_change_places(world: World) -> None:
    before = picture()
    words = [Words(world.api, "State", "Now this."), Words(world.state, "API misuse", "")]
    event = apply(Rename(words), by=world.lead)
    assert places()[0] == ("State", "") and places()[3] == ("API misuse", "Name")
    assert event.data["steps"] == 4
    taxonomy.undo(event, by=world.lead)
    assert picture() == before


def test_a_merged_category_takes_its_steps_and_subcategories_along(world: World) -> None:
    before = picture()
    operation = Merge([world.api], world.state)
    assert preview(operation, by=world.lead).steps == 3
    assert picture() == before, "looking changes nothing"
    event = apply(operation, by=world.lead)
    assert places() == [("State", ""), ("State", "Name"), ("State", "Argument"), ("State", "Name")]
    assert list(Category.objects.all()) == [world.state]
    assert {sub.name for sub in world.state.subcategories.all()} == {"Name", "Argument"}
    assert AuditEvent.objects.filter(dataset=world.dataset, action="taxonomy.applied").exists()
    taxonomy.undo(event, by=world.lead)
    assert picture() == before


def test_a_split_makes_a_place_for_the_chosen_steps(world: World) -> None:
    before = picture()
    chosen = [world.steps[world.api, None].pk, world.steps[world.state, world.same].pk]
    operation = Split(Place(world.api), chosen, Place(world.state), "Fresh")
    event = apply(operation, by=world.lead)
    assert places()[0] == ("State", "Fresh")
    assert places()[3] == ("State", "Name"), "a step of another place is not moved"
    taxonomy.undo(event, by=world.lead)
    assert picture() == before


def test_a_dissolved_subcategory_leaves_the_category(world: World) -> None:
    before = picture()
    event = apply(Dissolve(world.name), by=world.lead)
    assert places()[1] == ("API misuse", "")
    taxonomy.undo(event, by=world.lead)
    assert picture() == before


def names() -> list[str]:
    return list(Category.objects.values_list("name", flat=True))


def test_an_order_is_changed_and_taken_back(world: World) -> None:
    for name in ("Third", "Fourth"):
        apply(Add(name), by=world.lead)
    # Shipped rows may share a number.
    Category.objects.update(position=7)
    before = picture()
    event = apply(Move(Category.objects.get(name="State"), 1), by=world.lead)
    assert names() == ["State", "API misuse", "Fourth", "Third"]
    taxonomy.undo(event, by=world.lead)
    assert picture() == before


def test_subcategories_are_moved_within_their_category(world: World) -> None:
    was = [sub.name for sub in world.api.subcategories.all()]
    apply(Move(world.name, 1 if was[0] == "Argument" else 2), by=world.lead)
    assert [sub.name for sub in world.api.subcategories.all()] == was[::-1]
    assert list(world.state.subcategories.all()) == [world.same]


def test_only_the_newest_change_is_taken_back_and_once(world: World) -> None:
    first = apply(Add("One"), by=world.lead)
    second = apply(Add("Two"), by=world.lead)
    with pytest.raises(TaxonomyRefused, match="later change"):
        taxonomy.undo(first, by=world.lead)
    taxonomy.undo(second, by=world.lead)
    with pytest.raises(TaxonomyRefused, match="already"):
        taxonomy.undo(second, by=world.lead)
    taxonomy.undo(first, by=world.lead)
    assert Category.ever.count() == 2


def test_what_people_used_since_is_not_pulled_away(world: World) -> None:
    event = apply(Add("New"), by=world.lead)
    world.step(Category.objects.get(name="New"), None)
    with pytest.raises(TaxonomyRefused, match=r"1 step\(s\) were put there since"):
        taxonomy.undo(event, by=world.lead)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda w: Add("state"), "is there already"),
        (lambda w: Add(""), "1 to 100 characters"),
        (lambda w: Add("x" * 101), "1 to 100 characters"),
        (lambda w: Rename([Words(w.api, "API misuse", "")]), "nothing to change"),
        (lambda w: Rename([Words(w.api, "State", "")]), "is there already"),
        (lambda w: Merge([w.api], w.api), "Choose something to merge"),
        (lambda w: Merge([w.api], w.same), "A category is merged into a category"),
        (lambda w: Move(w.api, 1), "It is there already"),
        (lambda w: Move(w.api, 0), "places 1 to 2"),
        (lambda w: Move(w.state, 3), "places 1 to 2"),
        (lambda w: Split(Place(w.api), [], Place(w.state)), "Choose the steps"),
        (lambda w: Split(Place(w.api), [1], None), "Say where"),
    ],
)
def test_what_cannot_be_is_refused_in_words(world: World, make: Any, said: str) -> None:
    before = picture()
    assert said in preview(make(world), by=world.lead).refused
    with pytest.raises(TaxonomyRefused, match=said.replace("(", r"\(")):
        apply(make(world), by=world.lead)
    assert picture() == before


def test_steps_of_a_dataset_that_one_does_not_lead_are_safe(world: World) -> None:
    other = make_user("other")
    make_dataset(by=other, everyone=None)
    words = Rename([Words(world.api, "Mine", "")])
    seen = preview(words, by=other)
    assert (seen.hidden, seen.datasets) == (3, ())
    with pytest.raises(TaxonomyRefused, match="no member of"):
        apply(words, by=other)
    members.set_role(world.dataset, other, MemberRole.REVIEWER, by=None)
    with pytest.raises(TaxonomyRefused, match=world.dataset.title):
        apply(words, by=other)
    apply(Add("Own"), by=other)
    with pytest.raises(TaxonomyRefused, match="those who lead"):
        apply(Add("Nobody's"), by=make_user("nobody"))


def test_what_comes_back_from_earlier_times_finds_its_category(world: World) -> None:
    kept = trash.delete(world.steps[world.api, world.name].draft, by=world.lead)
    step = world.steps[world.api, world.argument]
    remove_step(step, by=world.lead)
    apply(Merge([world.api], world.state), by=world.lead)
    trash.bring_back(kept, by=world.lead)
    removed = AuditEvent.objects.get(action="step.removed")
    undo_event(removed, access=access_to(world.lead, world.dataset), by=world.lead)
    assert places()[1:3] == [("State", "Name"), ("State", "Argument")]


def test_the_shipped_file_does_not_undo_what_people_did(world: World) -> None:
    FixStep.objects.all().delete()
    Category.ever.all().delete()
    call_command("load_taxonomy", stdout=io.StringIO())
    api, state = Category.objects.get(slug="api"), Category.objects.get(slug="state")
    apply(Rename([Words(api, "Wrong call", "Ours.")]), by=world.lead)
    apply(Merge([state], api), by=world.lead)
    apply(Move(Category.objects.get(slug="numerics"), 1), by=world.lead)
    was = picture()
    call_command("load_taxonomy", stdout=io.StringIO())
    assert picture() == was


def test_the_page_shows_what_changes_before_it_is_made(world: World) -> None:
    client = Client()
    client.force_login(world.lead)
    sent = {"do": "merge", "source": f"c{world.api.pk}", "target": f"c{world.state.pk}"}
    page = client.post(reverse("taxonomy-change"), sent)
    assert page.context["change"].steps == 3 and not page.context["change"].refused
    assert Category.objects.count() == 2
    client.post(reverse("taxonomy-change"), sent | {"confirmed": "yes"})
    assert Category.objects.count() == 1
    event = AuditEvent.objects.get(action="taxonomy.merged")
    client.post(reverse("taxonomy-undo", args=[event.pk]))
    assert Category.objects.count() == 2


def test_only_what_one_filled_in_is_renamed(world: World) -> None:
    client = Client()
    client.force_login(world.lead)
    sent = {"do": "words", "confirmed": "yes"}
    for key, item in ((f"c{world.api.pk}", world.api), (f"c{world.state.pk}", world.state)):
        sent |= {f"wasname-{key}": item.name, f"name-{key}": item.name}
        sent |= {f"wasabout-{key}": "", f"about-{key}": ""}
    sent[f"name-c{world.api.pk}"] = "Wrong call"
    apply(Rename([Words(world.state, "Tracing", "")]), by=world.lead)
    client.post(reverse("taxonomy-change"), sent)
    assert list(Category.objects.values_list("name", flat=True)) == ["Wrong call", "Tracing"]


def test_all_that_match_are_split_off(world: World) -> None:
    client = Client()
    client.force_login(world.lead)
    FixStep.objects.filter(category=world.api).exclude(subcategory=world.name).update(
        error="a needle"
    )
    sent = {"do": "split", "place": f"c{world.api.pk}", "q": "needle", "all": "yes"}
    client.post(reverse("taxonomy-change"), sent | {"name": "Needles", "confirmed": "yes"})
    assert [category for category, _ in places()] == ["Needles", "API misuse", "Needles", "State"]


def test_who_leads_nothing_reads_only(world: World) -> None:
    client = Client()
    client.force_login(make_user("reader"))
    page = client.get(reverse("taxonomy"))
    assert page.status_code == 200 and b'name="source"' not in page.content
    assert client.post(reverse("taxonomy-change"), {"do": "add", "name": "X"}).status_code == 403
    assert client.get(reverse("taxonomy-split") + "?place=c1").status_code == 403
