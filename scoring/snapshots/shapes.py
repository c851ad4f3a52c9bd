"""Rows of the database as records of a snapshot: what `values_of` gives, without instances."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.db import models
from django.db.models.functions import Cast

Record = dict[str, Any]

# The database writes them: in Python it took longer than all the rest. In UTC, as its sessions are.
_TIME = "replace((%(expressions)s)::text, ' ', 'T') || ':00'"


class Shape:
    """Some fields of a model: the columns to ask for, and the record that their values are.

    `own` is what is asked for before, for ourselves: the columns of the fields begin after it.
    `more` are members that the record has beside the fields.

    Attributes:
        columns: What to ask for: `own`, then the fields. By expressions, since a column may be
            asked for twice.
        record: The record of a row, for `orjson`; it is given the values of `more`, too.
    """

    def __init__(
        self,
        model: type[models.Model],
        names: Iterable[str],
        own: Iterable[str] = (),
        more: Iterable[str] = (),
    ) -> None:
        fields = [model._meta.get_field(name) for name in names]
        asked = [models.F(name) for name in own]
        self.columns = [*asked, *(_column(field) for field in fields)]
        members = [_member(field, at) for at, field in enumerate(fields, len(asked))]
        self.record = _maker(members, more)


class Written(models.Func):
    """A record with only the fields, written by the database: for `orjson.Fragment`.

    It takes the database longer than their columns, but then it has the time.
    """

    function = "json_build_object"
    output_field = models.TextField()

    def __init__(self, names: Iterable[str], via: str = "") -> None:
        """`via` is the path to the model from the one that is asked, such as `verdict__`."""
        pairs = [
            models.Func(models.F(f"{via}{name}"), template=f"'{name}', %(expressions)s")
            for name in names
        ]
        super().__init__(*pairs, template="%(function)s(%(expressions)s)::text")


def _column(field: Any) -> Any:
    if isinstance(field, models.DateTimeField):
        return models.Func(field.name, template=_TIME, output_field=models.TextField())
    is_json = isinstance(field, models.JSONField)
    return Cast(field.name, models.TextField()) if is_json else models.F(field.name)


def _member(field: Any, at: int) -> str:
    """The member of a dict literal; JSON is one already."""
    is_json = isinstance(field, models.JSONField)
    return f"{field.name!r}: " + (f"row[{at}] and Fragment(row[{at}])" if is_json else f"row[{at}]")


def _maker(members: Iterable[str], more: Iterable[str]) -> Callable[..., Record]:
    """Makes a row a dict, by a literal of our own names: what is zipped grows, and moves thrice."""
    given = [f"{name!r}: {name}" for name in more]
    source = f"lambda {', '.join(['row', *more])}: {{{', '.join([*members, *given])}}}"
    made: Callable[..., Record] = eval(source, {"Fragment": orjson.Fragment})  # noqa: S307
    return made
