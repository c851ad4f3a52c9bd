"""Language models by name: those that an admin entered and those of the file T2J_MODELS.

The file holds a table per model:

    [my-model]
    role = "cheap"                      # cheap, costly or judge
    base_url = "https://host/v1"
    model_id = "vendor/model"
    key_env = "MY_PROVIDER_KEY"         # the variable that holds the key, never the key
    input_price = 0.15                  # per million tokens
"""

import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from curation.llm.calls import LlmError
from curation.models import LanguageModel

FIELDS = {
    *("role", "base_url", "model_id", "key_env", "input_price", "output_price"),
    *("requests_per_minute", "tokens_per_minute", "concurrency", "context_window"),
    *("max_output_tokens", "timeout_seconds", "params", "enabled"),
}


def find_model(name: str) -> LanguageModel:
    """
    Raises:
        LlmError: there is none of that name, or T2J_MODELS cannot be read.
    """
    load_file()
    model = LanguageModel.objects.filter(name=name).first()
    if model is None:
        known = ", ".join(LanguageModel.objects.values_list("name", flat=True)) or "none yet"
        raise LlmError(
            f"There is no model “{name}”. Known: {known}. An admin can add it in the admin pages, "
            "or it can stand in the file that T2J_MODELS names."
        )
    return model


def load_file() -> int:
    """Bring the models of T2J_MODELS into the database; says how many the file holds.

    Raises:
        LlmError: the file cannot be read; the text says which model and field.
    """
    if not settings.T2J_MODELS:
        return 0
    path = Path(settings.T2J_MODELS)
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise LlmError(f"T2J_MODELS: {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LlmError(f"T2J_MODELS: {path} is not TOML: {error}.") from None
    for name, fields in tables.items():
        _put(path, name, fields)
    return len(tables)


def _put(path: Path, name: str, fields: Any) -> None:
    where = f"T2J_MODELS: {path}, [{name}]"
    if not isinstance(fields, dict):
        raise LlmError(f"{where} is not a table.")
    if "key" in fields or "api_key" in fields:
        raise LlmError(f"{where} holds a key. Name the variable that holds it as key_env.")
    if unknown := sorted(set(fields) - FIELDS):
        raise LlmError(
            f"{where}: unknown {', '.join(unknown)}. Known: {', '.join(sorted(FIELDS))}."
        )
    model = LanguageModel.objects.filter(name=name).first() or LanguageModel(name=name)
    for field, value in fields.items():
        # 0.15 of a TOML file is meant as it is written, not as the nearest binary fraction.
        setattr(model, field, str(value) if field.endswith("_price") else value)
    try:
        model.full_clean()
    except ValidationError as error:
        said = [
            f"{field}: {message}"
            for field, messages in error.message_dict.items()
            for message in messages
        ]
        raise LlmError(f"{where}: {' '.join(said)}") from None
    model.save()
