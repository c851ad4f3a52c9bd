"""Rows as JSON text: what `json.dumps` of `values_of` gives, without the instances in between."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from django.db import models
from django.db.models import Expression, F
from django.db.models.functions import Cast

Writer = Callable[[Any], str]

# Numbers that PostgreSQL and Python may write differently; a text with such digits costs a parse.
_NUMBERS = re.compile(r"\d[.eE]|\d{16}")


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields of a model: the columns that are read of it, and how a row of them is written."""

    columns: tuple[Expression | F, ...]
    heads: tuple[str, ...]
    writers: tuple[Writer, ...]

    @classmethod
    def of(cls, model: type[models.Model], names: Iterable[str], via: str = "") -> "Shape":
        """`via` is the path to the model from the one that is asked, such as `verdict__`."""
        fields = [model._meta.get_field(name) for name in names]
        return cls(
            tuple(_column(field, via) for field in fields),
            tuple(f'"{field.name}": ' for field in fields),
            tuple(_writer(field) for field in fields),
        )

    def members(self, row: Sequence[Any]) -> str:
        """The members of a JSON object, without its braces."""
        return ", ".join(
            [
                head + write(value)
                for head, write, value in zip(self.heads, self.writers, row, strict=True)
            ]
        )


def _column(field: Any, via: str) -> Expression | F:
    # Times and JSON come as PostgreSQL writes them: neither is parsed only to be written again.
    if isinstance(field, models.DateTimeField | models.JSONField):
        return Cast(f"{via}{field.name}", models.TextField())
    return F(f"{via}{field.name}")


def _writer(field: Any) -> Writer:
    known: tuple[tuple[type[Any], Writer], ...] = (
        (models.DateTimeField, time_text),
        (models.JSONField, json_text),
        (models.BooleanField, _truth),
        (models.FloatField, float.__repr__),
        (models.IntegerField, int.__repr__),
        (models.CharField, encode_basestring),
        (models.TextField, encode_basestring),
    )
    write = next(write for kind, write in known if isinstance(field, kind))
    return or_null(write) if field.null and write is not time_text else write


def or_null(write: Writer) -> Writer:
    return lambda value: "null" if value is None else write(value)


def time_text(found: str | None) -> str:
    """A time of PostgreSQL, in UTC, as `datetime.isoformat` writes it."""
    if found is None:
        return "null"
    whole, _, part = found.removesuffix("+00").partition(".")
    fraction = f".{part:0<6}" if part else ""
    return f'"{whole[:10]}T{whole[11:]}{fraction}+00:00"'


def json_text(found: str) -> str:
    """JSON of PostgreSQL as Python writes it."""
    return json.dumps(json.loads(found), ensure_ascii=False) if _NUMBERS.search(found) else found


def _truth(value: bool) -> str:
    return "true" if value else "false"
