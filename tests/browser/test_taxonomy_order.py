"""The order of categories: changed with the keyboard, without JavaScript, and taken back."""

import pytest
from playwright.sync_api import Browser, Page, expect

from curation.models import Category, Subcategory
from tests.browser.conftest import sign_in
from tests.factories import make_dataset, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def taxonomy(transactional_db: None) -> None:
    for position, name in enumerate(("Shapes", "State", "Dtypes")):
        category = Category.objects.create(slug=name.lower(), name=name, position=position)
        Subcategory.objects.create(category=category, slug="one", name=f"{name} one")
        Subcategory.objects.create(category=category, slug="two", name=f"{name} two", position=1)
    make_dataset("own", everyone=None, by=make_user("ada"))
    make_user("ben")


def order() -> list[str]:
    return list(Category.objects.values_list("name", flat=True))


def test_the_keyboard_moves_a_category_all_the_way(page: Page, taxonomy: None) -> None:
    sign_in(page, "ada")
    page.goto("/categories/")
    page.get_by_role("button", name="Move Dtypes up", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move Dtypes up", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    # It is at the top: the way back is focused, the way up is closed.
    expect(page.get_by_role("button", name="Move Dtypes down", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Move Dtypes up", exact=True)).to_be_disabled()
    assert order() == ["Dtypes", "Shapes", "State"]
    page.get_by_role("button", name="Move State two up").click()
    expect(page.get_by_role("button", name="Move State two down")).to_be_focused()
    page.get_by_role("button", name="Take back").click()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("Taken back: Move “Dtypes” to place 1").first).to_be_visible()
    assert order() == ["Shapes", "Dtypes", "State"]


def test_enter_in_a_name_renames_and_moves_nothing(page: Page, taxonomy: None) -> None:
    sign_in(page, "ada")
    page.goto("/categories/")
    page.get_by_label("Name of State", exact=True).fill("Hidden state")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Rename “State” to “Hidden state”").first).to_be_visible()
    assert order() == ["Shapes", "State", "Dtypes"]


def test_without_javascript(chromium: Browser, live_server: object, taxonomy: None) -> None:
    context = chromium.new_context(base_url=str(live_server), java_script_enabled=False)
    page = sign_in(context.new_page(), "ada")
    page.goto("/categories/")
    page.get_by_role("button", name="Move Shapes down", exact=True).click()
    expect(page.get_by_text("Move “Shapes” to place 2").first).to_be_visible()
    assert order() == ["State", "Shapes", "Dtypes"]
    context.close()


def test_who_leads_nothing_finds_no_buttons(page: Page, taxonomy: None) -> None:
    sign_in(page, "ben")
    page.goto("/categories/")
    expect(page.get_by_role("cell", name="Dtypes", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Move Dtypes up")).to_have_count(0)
