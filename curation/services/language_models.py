"""Language models: enter one, change it, give it a key, switch it off. A key never comes out."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction

from curation.llm.calls import BY_HAND, RECORDED
from curation.llm.keys import seal
from curation.llm.registry import FIELDS
from curation.models import LanguageModel
from curation.services.audit import Actor, record


class ModelRefused(Exception):
    """Why a model was not stored; the text names each field, for the person who filled them in."""


@transaction.atomic
def save_model(name: str, fields: Mapping[str, Any], *, key: str = "", by: Actor) -> LanguageModel:
    """Enter the model `name`, or change the given fields of the one there is.

    `key` is stored encrypted; empty keeps the present one. `fields` are those of T2J_MODELS.

    Raises:
        ModelRefused: a field is unknown or holds something else than it should.
    """
    if unknown := sorted(set(fields) - FIELDS):
        raise ModelRefused(f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(FIELDS))}.")
    model = LanguageModel.objects.select_for_update().filter(name=name).first()
    created = model is None
    model = model or LanguageModel(name=name)
    for field, value in fields.items():
        # 0.15 is meant as it is written, not as the nearest binary fraction.
        is_price = field.endswith("_price") and value is not None
        setattr(model, field, str(value) if is_price else value)
    if key.strip():
        model.sealed_key = seal(key.strip())
    _check(model)
    model.save()
    told = {"fields": sorted(fields), "key": bool(key.strip())}
    record("model.entered" if created else "model.changed", model, dataset=None, by=by, **told)
    return model


@transaction.atomic
def forget_key(model: LanguageModel, *, by: Actor) -> None:
    """Take the stored key away; one that an environment variable holds is named in `key_env`."""
    if LanguageModel.objects.filter(pk=model.pk).exclude(sealed_key="").update(sealed_key=""):
        record("model.key_forgotten", model, dataset=None, by=by)
    model.sealed_key = ""


def check_address(url: str) -> str:
    """The address of a provider.

    Raises:
        ValidationError: it is none, or holds a key.
    """
    if url.startswith((RECORDED, BY_HAND)):
        return url
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise ValidationError("An address is like https://host/v1.")
    if parts.username or parts.password:
        raise ValidationError("Keys do not belong in the address: use the field for it.")
    return url


def check_params(params: object) -> dict[str, Any]:
    """What is sent with every call.

    Raises:
        ValidationError: it is no table of names and values.
    """
    if not isinstance(params, dict):
        raise ValidationError('Parameters are like {"temperature": 0.2}.')
    return params


def _check(model: LanguageModel) -> None:
    wrong: dict[str, list[str]] = {}
    try:
        model.full_clean()
    except ValidationError as error:
        wrong |= error.message_dict
    for field, check in (("base_url", check_address), ("params", check_params)):
        try:
            if field not in wrong:
                check(getattr(model, field))
        except ValidationError as error:
            wrong[field] = error.messages
    if wrong:
        said = [f"{field}: {' '.join(messages)}" for field, messages in wrong.items()]
        raise ModelRefused(" ".join(said))
