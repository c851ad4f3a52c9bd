"""What many examples are read as: ahead of its use, and the same as within a transaction."""

from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from curation import ahead, held
from curation.models import Example
from tests.factories import make_dataset, make_draft, make_example
from tests.waiting import until


def two_drafts() -> None:
    dataset = make_dataset("held")
    for number in range(7):
        example = make_example(dataset)
        for _ in range(number % 3):
            make_draft(example=example)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", [False, True])
def test_it_is_the_same_within_a_transaction(ends: bool) -> None:
    two_drafts()
    examples = Example.objects.order_by("position", "id")
    ahead = list(held.read(examples, 2, ends=ends))
    with transaction.atomic():
        at_once = list(held.read(examples, 2, ends=ends))
    assert ahead == at_once
    assert [len(chunk) for chunk in ahead] == [2, 2, 2, 1]
    assert [len(example.drafts) for chunk in ahead for example in chunk] == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.django_db(transaction=True)
def test_whoever_stops_reading_leaves_no_connection_behind() -> None:
    two_drafts()
    chunks = held.read(Example.objects.order_by("id"), 1)
    next(chunks)
    assert others() == 1
    chunks.close()  # type: ignore[attr-defined]
    until(lambda: others() == 0)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_lost_is_told_as_any_other() -> None:
    """An export waits for the database to come back only when it is told so."""
    two_drafts()
    chunks = held.read(Example.objects.order_by("id"), 1)
    next(chunks)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    with pytest.raises(OperationalError):
        list(chunks)


@pytest.mark.django_db(transaction=True)
def test_without_another_connection_it_is_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_drafts()
    monkeypatch.setattr(ahead, "_another", lambda: None)
    assert sum(map(len, held.read(Example.objects.order_by("id"), 3))) == 7


@pytest.mark.django_db
def test_a_draft_made_or_deleted_between_the_questions_is_left_out() -> None:
    example = make_example(make_dataset("held"))
    draft = make_draft(example=example)
    (whole,) = next(held.read(Example.objects.all(), 1))
    row = tuple(whole.drafts[0].revisions[0])
    known = held.HeldExample(*(getattr(whole, name) for name in held._EXAMPLE))
    gone = (example.pk, draft.pk + 1, None, "draft", "", "")
    rows: tuple[list[tuple[Any, ...]], ...] = ([], [gone], [(draft.pk + 2, *row[1:])], [])
    (found,) = held._filled([known], list(rows))
    assert found.drafts == []


OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND query LIKE '%unnest%'"
)


def others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {OTHERS}")
        return int(cursor.fetchone()[0])
