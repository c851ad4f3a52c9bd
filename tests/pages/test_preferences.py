"""What a person chose is kept with the account, the newer choice last."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.models import Preference
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def keep(client: Client, **body: Any) -> int:
    url = reverse("preference-keep")
    return client.post(url, json.dumps(body), content_type="application/json").status_code


def test_the_newer_choice_counts_and_is_ones_own(client: Client, person: User) -> None:
    assert keep(client, name="theme", text="dark", at=10) == 204
    assert keep(client, name="theme", text="light", at=9) == 204
    assert Preference.objects.get().text == "dark"
    assert keep(client, name="theme", text="light", at=11) == 204
    assert keep(client, name="keys", text='{"Run": "y"}', at=1) == 204
    page = client.get("/").content.decode()
    assert "&quot;text&quot;: &quot;light&quot;, &quot;at&quot;: 11" in page
    other = Client()
    other.force_login(make_user("ben"))
    assert "&quot;chosen&quot;: {}" in other.get("/").content.decode()
    assert "data-account" not in Client().get("/login/").content.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "theme", "text": "pink", "at": 1},
        {"name": "theme", "text": "dark", "at": -1},
        {"name": "theme", "text": "dark", "at": 1e400},
        {"name": "theme", "text": "dark", "at": 2**60},
        {"name": "password", "text": "x", "at": 1},
        {"name": "keys", "text": "[]", "at": 1},
        {"name": "keys", "text": "{", "at": 1},
        {"name": "keys", "text": '{"Run": 1}', "at": 1},
        {"name": "keys", "text": json.dumps({"Run": "x" * 101}), "at": 1},
        {"name": "keys", "text": json.dumps({"Run": "a\0b"}), "at": 1},
        {"name": "keys", "text": json.dumps({f"c{n}": "x" for n in range(201)}), "at": 1},
        {"name": "keys", "text": {"Run": "y"}, "at": 1},
    ],
)
def test_what_is_no_choice_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert keep(client, **body) == 400
    assert not Preference.objects.exists()
