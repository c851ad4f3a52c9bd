"""Language models as people enter them: each field checked, each change told, no key shown."""

from decimal import Decimal
from typing import Any

import pytest

from curation.llm.keys import key_of
from curation.models import AuditEvent, LanguageModel
from curation.services.language_models import ModelRefused, forget_key, save_model
from tests.factories import make_user

pytestmark = pytest.mark.django_db
FIELDS = {"role": "judge", "base_url": "https://host.example/v1", "model_id": "m"}


def test_a_model_is_entered_and_changed() -> None:
    person = make_user("ada")
    model = save_model("one", FIELDS | {"input_price": 0.15}, key=" sk-secret-1 ", by=person)
    model.refresh_from_db()
    assert (model.role, model.input_price) == ("judge", Decimal("0.15"))
    assert key_of(model) == "sk-secret-1"
    changed = save_model("one", {"concurrency": 2}, by=person)
    assert (changed.pk, changed.concurrency, changed.model_id) == (model.pk, 2, "m")
    assert key_of(changed) == "sk-secret-1", "an empty key keeps the present one"
    forget_key(changed, by=person)
    assert key_of(LanguageModel.objects.get()) == ""
    forget_key(changed, by=person)
    told = list(AuditEvent.objects.order_by("pk").values_list("action", "actor__username", "data"))
    assert [row[:2] for row in told] == [
        ("model.entered", "ada"),
        ("model.changed", "ada"),
        ("model.key_forgotten", "ada"),
    ]
    assert "sk-secret" not in str(told) and model.sealed_key not in str(told)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"key": "sk-1"}, "Unknown: key. Known: base_url"),
        ({"base_url": "host"}, "base_url: An address is like"),
        ({"base_url": "https://[host"}, "base_url: An address is like"),
        ({"base_url": "https://me:pw@host/v1"}, "base_url: Keys do not belong in the address"),
        ({"params": [1]}, "params: Parameters are like"),
        ({"role": "boss"}, "role: Value 'boss' is not a valid choice"),
        ({"model_id": ""}, "model_id: This field cannot be blank"),
        ({"concurrency": 0}, "concurrency: Ensure this value is greater than or equal to 1"),
        ({"input_price": "cheap"}, "input_price: “cheap” value must be a decimal number"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelRefused, match=words):
        save_model("one", FIELDS | fields, by=None)
    assert not LanguageModel.objects.exists()
