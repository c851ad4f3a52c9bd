"""Rows in chunks with what belongs to them, which the database looks for while Python works."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

Row = tuple[Any, ...]
# SQL and its parameters, among them an empty list in the place of the keys.
Question = tuple[str, tuple[Any, ...]]
# Gives the rows of a question, which may still be looked for.
Answer = Callable[[], list[Row]]
Ask = Callable[[Question, list[int]], Answer]

# Chunks that the database looks for while one is used: with one, it waits as often as Python does.
AHEAD = 4


def among(keys: Iterable[int] = ()) -> RawSQL:
    """Some ids as one parameter: a hundred take longer to be sent than the rows to be found.

    Without keys it stands in a question for those of its chunk.
    """
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])


def question(found: QuerySet[Any, Any]) -> Question:
    """What is asked about each chunk; its keys stand where the query has `among()`.

    The answers come as the driver gives them: Django converts no field.
    """
    return found.query.sql_with_params()


def read(
    rows: QuerySet[Any, Row], questions: Sequence[Question], chunk: int
) -> Iterator[tuple[list[Row], list[list[Row]]]]:
    """`rows`, whose first column is their key, `chunk` at a time, with the answers about them."""
    coming = rows.iterator(chunk_size=chunk)
    with _asking() as (ask, ahead):
        waiting: list[tuple[list[Row], list[Answer]]] = []
        while found := list(islice(coming, chunk)):
            keys = [row[0] for row in found]
            waiting.append((found, [ask(each, keys) for each in questions]))
            del found  # or its rows are held while the next ones are read
            if len(waiting) > ahead:
                yield _answered(*waiting.pop(0))
        while waiting:
            yield _answered(*waiting.pop(0))


def _answered(rows: list[Row], answers: list[Answer]) -> tuple[list[Row], list[list[Row]]]:
    return rows, [answer() for answer in answers]


@contextmanager
def _asking() -> Iterator[tuple[Ask, int]]:
    """Asks questions that the database answers while Python does something else, so many ahead.

    They go over a connection of their own, in one transaction that reads. Within a transaction,
    which that would not see, and where no further connection can be had, they are answered at once.
    """
    own = _another()
    if own is None:
        yield _asked_at_once, 0
        return
    # Django's errors: those who try again when the database is back wait for these.
    with connection.wrap_database_errors, own, own.pipeline():
        yield lambda asked, keys: own.cursor().execute(*_about(asked, keys)).fetchall, AHEAD


def _another() -> "psycopg.Connection[Row] | None":
    if connection.in_atomic_block:
        return None
    settings = connection.get_connection_params() | {
        "cursor_factory": psycopg.Cursor,
        "prepare_threshold": 0,  # planning a question takes as long as answering it
    }
    try:
        own: psycopg.Connection[Row] = psycopg.connect(**settings, autocommit=True)
    except psycopg.OperationalError:
        return None
    own.execute("SET TIME ZONE 'UTC'")  # as Django's own connections: times are copied as texts
    return own


def _asked_at_once(asked: Question, keys: list[int]) -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(*_about(asked, keys))
        rows: list[Row] = cursor.fetchall()
    return lambda: rows


def _about(asked: Question, keys: list[int]) -> tuple[str, list[Any]]:
    sql, parameters = asked
    # The driver's own way to write an array takes longer than to find its rows.
    array = f"{{{','.join(map(str, keys))}}}"
    return sql, [array if each == [] else each for each in parameters]
