"""Records as JSON text, written by the database: what `json.dumps` of `values_of` gives.

Taking values out of rows and writing them one by one took most of a snapshot's time.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import models
from django.db.models import Expression, F, Func, Value
from django.db.models.functions import Cast, Coalesce

# Numbers that PostgreSQL and Python may write differently; a text with such digits costs a parse.
_NUMBERS = re.compile(r"\d[.eE]|\d{16}")

# As `datetime.isoformat` writes a time: with six digits of a second's parts, or without any.
_TIME = """(CASE WHEN length(to_json(%(expressions)s)::text) IN (27, 34)
    THEN to_json(%(expressions)s)::text
    ELSE '"' || to_char(%(expressions)s, 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00"' END)"""
# As Python's repr writes a float: with a point where there is no exponent.
_FLOAT = """(CASE WHEN %(expressions)s = trunc(%(expressions)s) AND abs(%(expressions)s) < 1e16
    THEN %(expressions)s::bigint::text || '.0' ELSE %(expressions)s::text END)"""


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields of a model: columns with their JSON text; those of `as_json` are JSON themselves."""

    columns: tuple[Expression, ...]
    as_json: tuple[str, ...]

    @classmethod
    def of(cls, model: type[models.Model], names: Iterable[str], via: str = "") -> "Shape":
        """`via` is the path to the model from the one that is asked, such as `verdict__`."""
        columns: list[Expression] = []
        heads: list[str] = []
        fields = [model._meta.get_field(name) for name in names]
        for is_json, group in groupby(fields, lambda field: isinstance(field, models.JSONField)):
            if is_json:
                found = list(group)
                columns += [Cast(f"{via}{field.name}", models.TextField()) for field in found]
                heads += [f'"{field.name}": ' for field in found]
            else:
                columns.append(_members(list(group), via))
                heads.append("")
        return cls(tuple(columns), tuple(heads))

    def members(self, row: Sequence[Any]) -> str:
        """The members of a JSON object, without its braces."""
        if len(row) == 1:
            return str(row[0])
        pairs = zip(self.as_json, row, strict=True)
        return ", ".join([head + json_text(text) if head else text for head, text in pairs])


def _members(fields: Sequence[Any], via: str) -> Func:
    form = ", ".join(f'"{field.name}": %s' for field in fields)
    values = [_text(field, F(f"{via}{field.name}")) for field in fields]
    return Func(Value(form), *values, function="format", output_field=models.TextField())


def _text(field: Any, column: F) -> Any:
    found: Any
    if isinstance(field, models.DateTimeField):
        found = Func(column, template=_TIME, output_field=models.TextField())
    elif isinstance(field, models.FloatField):
        found = Func(column, template=_FLOAT, output_field=models.TextField())
    elif isinstance(field, models.IntegerField) and not field.null:
        found = column
    else:
        found = Func(column, function="to_json", output_field=models.TextField())
    if not field.null:
        return found
    return Coalesce(Cast(found, models.TextField()), Value("null"))


def json_text(found: str | None) -> str:
    """JSON of PostgreSQL as Python writes it."""
    if found is None:
        return "null"
    return json.dumps(json.loads(found), ensure_ascii=False) if _NUMBERS.search(found) else found
