"""Theme and shortcuts follow the account, and work without an answer of it."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from curation.models import Preference
from tests.browser.conftest import opened, sign_in
from tests.factories import PASSWORD, make_user
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _people(transactional_db: None) -> None:
    make_user("ada")
    make_user("ben")


def theme_of(page: Page) -> str:
    return str(page.evaluate("document.documentElement.dataset.theme || 'auto'"))


def choose_dark(page: Page) -> None:
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


def kept(name: str, text: str) -> Any:
    return lambda: Preference.objects.filter(name=name, text=text).exists()


def change_shortcut(page: Page, key: str) -> None:
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    sheet.get_by_label("Change the shortcut of Change the theme").click()
    page.keyboard.press(key)
    sheet.get_by_role("button", name="Close").click()


def test_they_come_along_to_another_browser(chromium: Browser, live_server: object) -> None:
    with opened(chromium, live_server) as first:
        sign_in(first, "ada")
        choose_dark(first)
        change_shortcut(first, "y")
        until(kept("theme", "dark"))
        until(kept("keys", '{"Change the theme":"y"}'))
    with opened(chromium, live_server) as second:
        sign_in(second, "ada")
        # Before anything is drawn: the page comes with it.
        assert theme_of(second) == "dark"
        second.keyboard.press("y")
        expect(second.get_by_role("button", name="Theme: as the system")).to_be_visible()
        until(kept("theme", "auto"))
    # The newer choice counts, whichever side made it.
    Preference.objects.filter(name="theme").update(text="light", at=2**52)
    with opened(chromium, live_server) as third:
        sign_in(third, "ada")
        assert theme_of(third) == "light"


def test_a_choice_that_the_server_missed_is_told_later(page: Page) -> None:
    sign_in(page, "ada")
    page.route("**/preferences/", lambda route: route.abort())
    choose_dark(page)
    page.reload()
    assert theme_of(page) == "dark", "this browser's own answer is there without the account's"
    assert not Preference.objects.exists()
    page.unroute("**/preferences/")
    page.reload()
    until(kept("theme", "dark"))


def test_what_was_chosen_before_signing_in_becomes_the_persons(page: Page) -> None:
    page.goto("/login/")
    choose_dark(page)
    sign_in(page, "ada")
    assert theme_of(page) == "dark"
    until(kept("theme", "dark"))


def test_one_person_does_not_choose_for_another(page: Page) -> None:
    sign_in(page, "ada")
    choose_dark(page)
    until(kept("theme", "dark"))
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "ben")
    assert theme_of(page) == "auto"
    assert not Preference.objects.filter(user__username="ben").exists()
    page.get_by_role("button", name="Theme: as the system").click()
    until(kept("theme", "light"))
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "ada")
    assert theme_of(page) == "dark"


def test_without_storage_the_account_remembers(chromium: Browser, live_server: object) -> None:
    context = chromium.new_context(base_url=str(live_server))
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('none'); }});"
    )
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    choose_dark(page)
    until(kept("theme", "dark"))
    page.reload()
    assert theme_of(page) == "dark"
    context.close()
