"""The contract of an example: seen, changed, refused, given back to recognition."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from curation.models import AuditEvent, Example
from executor.models import Run
from tests.factories import make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def example() -> Example:
    example = make_example()
    make_draft(example=example)
    return example


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(make_user())
    return client


def filled(client: Client, example: Example) -> dict[str, Any]:
    """The form as the page shows it."""
    response = client.get(reverse("contract-edit", args=[example.pk]))
    return dict(response.context["form"].initial)


def store(client: Client, example: Example, data: dict[str, Any]) -> Any:
    return client.post(reverse("contract-edit", args=[example.pk]), data)


def test_the_recognised_contract_is_shown(signed_in: Client, example: Example) -> None:
    assert json.loads(filled(signed_in, example)["settings"])["kind"] == "program"


def test_a_changed_contract_is_stored_and_makes_new_runs(
    signed_in: Client, example: Example
) -> None:
    data = filled(signed_in, example)
    settings = json.loads(data["settings"]) | {"wall_s": 20}
    data |= {"settings": json.dumps(settings), "observe_reference": "observe('two', 2)"}
    assert store(signed_in, example, data).status_code == 302
    example.refresh_from_db()
    assert example.contract is not None
    assert (example.contract["wall_s"], example.contract["observe_reference"]) == (
        20.0,
        "observe('two', 2)",
    )
    assert Run.objects.filter(example=example).count() == 1
    assert AuditEvent.objects.filter(action="example.contract").count() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"settings": "{"}, "not JSON"),
        ({"settings": "[]"}, "JSON object"),
        ({"settings": '{"version": 1, "speed": 3}'}, "Unknown field"),
        ({"settings": '{"kind": "poem"}'}, "is not one of"),
        ({"observe_candidate": "observe("}, "is not Python"),
        ({"names": "loss history"}, "is not of the form"),
        ({"data_provider": "the web"}, "not one of"),
    ],
)
def test_what_is_no_contract_is_refused_with_a_sentence(
    signed_in: Client, example: Example, change: dict[str, str], sentence: str
) -> None:
    response = store(signed_in, example, filled(signed_in, example) | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    example.refresh_from_db()
    assert example.contract is None


def test_names_dropped_probes_and_a_data_provider_have_fields_of_their_own(
    signed_in: Client, example: Example
) -> None:
    data = filled(signed_in, example)
    data |= {
        "names": "losses = loss_history\r\nw = weight",
        "ignore": "printed: epoch *",
        "data_provider": "stand_in",
    }
    store(signed_in, example, data)
    example.refresh_from_db()
    assert example.contract is not None
    assert example.contract["names"] == {"losses": "loss_history", "w": "weight"}
    assert example.contract["ignore"] == ["printed: epoch *"]
    assert example.contract["data_provider"] == "stand_in"
    shown = filled(signed_in, example)["names"].split("\n")
    assert sorted(shown) == ["losses = loss_history", "w = weight"]


def test_it_can_be_left_to_recognition_again(signed_in: Client, example: Example) -> None:
    store(signed_in, example, filled(signed_in, example))
    store(signed_in, example, {"recognise": "1"})
    example.refresh_from_db()
    assert example.contract is None
