"""What of each record a snapshot holds. Numbers of this database are no part of it: what belongs
together is nested, people go by their names, categories by their slugs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

# Raised in its first part when an older reader would take a newer file wrongly.
FORMAT_VERSION = "1.0.0"

MANIFEST, DATASET = "manifest.json", "dataset.json"
TAXONOMY, EXAMPLES = "taxonomy.json", "examples.jsonl"
FILES = "files/"

OF_DATASET = ("title", "description", "source", "licence", "repairs_wanted", "created_at")
OF_CATEGORY = ("slug", "name", "description", "position")
OF_EXAMPLE = (
    *("example_id", "position", "title", "difficulty", "source", "licence", "pytorch_code"),
    *("contract", "not_runnable", "created_at"),
)
OF_DRAFT = (
    *("role", "model", "prompt_kind", "raw_answer", "status", "judged", "submitted_at"),
    *("approval_reason", "created_at"),
)
DRAFT_PEOPLE = ("assignee", "submitted_by", "approved_by", "created_by")
OF_REVISION = ("number", "code", "origin", "created_at")
OF_STEP = (
    *("order", "error_code", "error", "traceback", "fix_info", "fixed_code", "kind", "located"),
    *("span_start", "span_end", "seconds", "settled", "created_at"),
)
OF_COMMENT = ("revision", "line", "quote", "text", "created_at", "resolved_at")
COMMENT_PEOPLE = ("author", "resolved_by")
OF_RUN = (
    *("code_hash", "contract_hash", "runtime", "runtime_hash", "device", "priority", "part"),
    *("attempts", "note", "created_at", "queued_at", "started_at", "finished_at"),
)
OF_VERDICT = (
    *("outcome", "stage", "kind", "reason", "message", "strength", "seconds", "isolation"),
    *("report", "created_at"),
)
OF_EVENT = ("at", "action", "target_type", "target")
# What events tell without naming a record by its number.
TOLD = ("file", "fingerprint", "order", "role", "model", "sha256", "was", "now", "reason")


def values_of(item: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """The named fields as JSON holds them; times to the microsecond."""
    return {name: _plain(getattr(item, name)) for name in names}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


class Broken(Exception):
    """What is wrong with a record of a snapshot; the text is for a person."""


def read_values(
    model: type[models.Model], raw: Mapping[str, Any], names: Iterable[str]
) -> dict[str, Any]:
    """The named fields of a record, as the model takes them.

    Raises:
        Broken: a field is missing, or holds something else than it should.
    """
    found = {}
    for name in names:
        if name not in raw:
            raise Broken(f"{name} is missing.")
        field = model._meta.get_field(name)
        assert isinstance(field, models.Field)
        found[name] = _read(field, raw[name])
    return found


def _read(field: "models.Field[Any, Any]", value: Any) -> Any:
    if value is None and not field.null:
        raise Broken(f"{field.name} is empty.")
    text = isinstance(field, models.CharField | models.TextField)
    if text and value is not None and not isinstance(value, str):
        raise Broken(f"{field.name} is not text.")
    if text and value and ("\0" in value or not _encodes(value)):
        raise Broken(f"{field.name} holds a character that no database text can.")
    if isinstance(field, models.JSONField):
        return value
    try:
        found = field.to_python(value)
        if found is not None:
            field.run_validators(found)
            known = {choice for choice, _ in field.flatchoices} | {""}
            if len(known) > 1 and found not in known:
                raise ValueError(found)
    except (ValidationError, TypeError, ValueError, OverflowError):
        raise Broken(f"{field.name} holds {str(value)[:60]!r}, which it cannot.") from None
    return found


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
