"""Counts of drafts by sort, kept by the database: always what counting one by one gives."""

import random
from collections import Counter
from threading import Thread

import pytest
from django.db import IntegrityError, connection, transaction

from curation.enums import Difficulty, DraftStatus
from curation.models import Dataset, Draft, DraftCount, Example
from curation.queries import Counts, counts_of, draft_counts, examples_without_draft
from tests.factories import make_dataset, make_draft, make_example

pytestmark = pytest.mark.django_db

Key = tuple[str, str, str, bool, bool]
JUDGED = ("", "pass//", "fail/shape_mismatch/")


def kept(counts: Counts) -> Counter[Key]:
    return Counter(
        {(s.difficulty, s.status, s.judged, s.blind, s.repeated): s.number for s in counts.sorts}
    )


def counted(dataset: Dataset) -> Counter[Key]:
    drafts = Draft.objects.filter(example__dataset=dataset).select_related("example")
    return Counter(
        (d.example.difficulty, d.status, d.judged, d.blind, d.original_id is not None)
        for d in drafts
    )


def check(dataset: Dataset) -> None:
    counts = counts_of(dataset)
    assert kept(counts) == counted(dataset)
    assert counts.without_draft == examples_without_draft(dataset).count()
    plain = Draft.objects.filter(example__dataset=dataset, original=None)
    assert counts.funnel.total == plain.count() == draft_counts([dataset])[dataset.pk].total


def change(dataset: Dataset, chance: random.Random) -> None:
    """One write of any sort, of one row or of many."""
    drafts = Draft.objects.filter(example__dataset=dataset)
    examples = list(dataset.examples.all())
    some = chance.sample(list(drafts), min(3, drafts.count()))
    what = chance.randrange(8)
    if what == 0 or not examples:
        Example.objects.bulk_create(
            Example(dataset=dataset, example_id=f"e{chance.random()}") for _ in range(2)
        )
    elif what == 1:
        example = chance.choice(examples)
        Draft.objects.bulk_create(
            [Draft(example=example), Draft(example=chance.choice(examples), blind=True)]
        )
    elif what == 2:
        drafts.filter(pk__in=[d.pk for d in some]).update(status=chance.choice(DraftStatus.values))
    elif what == 3:
        drafts.filter(pk__in=[d.pk for d in some]).update(judged=chance.choice(JUDGED))
    elif what == 4 and some:
        Draft.objects.filter(pk=some[0].pk).update(original=some[-1], blind=False)
    elif what == 5:
        dataset.examples.filter(pk=chance.choice(examples).pk).update(
            difficulty=chance.choice(Difficulty.values)
        )
    elif what == 6 and some:
        some[0].delete()
    elif what == 7 and chance.random() < 0.3:
        chance.choice(examples).delete()


def test_counts_are_those_of_the_rows_after_any_write() -> None:
    dataset, other = make_dataset("mine"), make_dataset("other")
    make_draft(example=make_example(other))
    chance = random.Random(7)
    for _ in range(300):
        change(dataset, chance)
        check(dataset)
    assert Draft.objects.filter(example__dataset=dataset).exists()
    check(other)


def test_an_example_may_go_before_its_drafts_in_one_transaction() -> None:
    dataset = make_dataset("mine")
    for number in range(2):
        make_draft(f"x = {number}\n", example=make_example(dataset))
    example = dataset.examples.order_by("pk")[0]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM curation_example WHERE id = %s", [example.pk])
        check_sum = counts_of(dataset)
        cursor.execute(
            "DELETE FROM curation_revision WHERE draft_id IN"
            " (SELECT id FROM curation_draft WHERE example_id = %s)",
            [example.pk],
        )
        cursor.execute("DELETE FROM curation_draft WHERE example_id = %s", [example.pk])
    assert check_sum.funnel.total == 1
    check(dataset)


def test_an_example_that_moves_takes_its_drafts_along() -> None:
    there, here = make_dataset("there"), make_dataset("here")
    make_draft(example=make_example(there))
    there.examples.update(dataset=here)
    assert counts_of(there).sorts == ()
    check(here)


def test_a_deleted_dataset_leaves_no_counts() -> None:
    dataset = make_dataset("mine")
    make_draft(example=make_example(dataset))
    assert DraftCount.objects.filter(dataset=dataset).exists()
    pk = dataset.pk
    dataset.delete()
    assert not DraftCount.objects.filter(dataset=pk).exists()


def test_changes_are_added_up_before_they_are_many() -> None:
    draft = make_draft(example=make_example(make_dataset("mine")))
    for number in range(1_000):
        status = DraftStatus.REPAIRING if number % 2 else DraftStatus.DRAFT
        Draft.objects.filter(pk=draft.pk).update(status=status)
    assert DraftCount.objects.count() < 300
    check(draft.example.dataset)


def test_changes_of_what_is_not_counted_leave_no_row() -> None:
    draft = make_draft(example=make_example(make_dataset("mine")))
    before = DraftCount.objects.count()
    Draft.objects.filter(pk=draft.pk).update(model="another", raw_answer="…")
    assert DraftCount.objects.count() == before


def test_a_draft_stays_with_its_program() -> None:
    dataset = make_dataset("mine")
    draft, other = make_draft(example=make_example(dataset)), make_example(dataset)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Draft.objects.filter(pk=draft.pk).update(example=other)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["example", "draft", "new draft"])
def test_what_two_do_at_once_is_counted_once(first: str) -> None:
    """One changes the example while another changes, or adds, a draft of it."""
    draft = make_draft(example=make_example(make_dataset("mine")))

    def of_example() -> None:
        Example.objects.filter(pk=draft.example_id).update(difficulty=Difficulty.HARD)

    def of_draft() -> None:
        if first == "new draft":
            Draft.objects.create(example_id=draft.example_id)
        else:
            Draft.objects.filter(pk=draft.pk).update(status=DraftStatus.REPAIRING)

    def at_once() -> None:
        second()
        connection.close()

    begun, second = (of_example, of_draft) if first == "example" else (of_draft, of_example)
    other = Thread(target=at_once)
    with transaction.atomic():
        begun()
        other.start()
        other.join(0.5)
        assert other.is_alive(), "it should wait for the first"
    other.join(10)
    assert not other.is_alive()
    check(draft.example.dataset)


@pytest.mark.django_db(transaction=True)
def test_two_first_drafts_at_once_are_one_example_less_without() -> None:
    example = make_example(make_dataset("mine"))

    def add() -> None:
        Draft.objects.create(example=example)
        connection.close()

    other = Thread(target=add)
    with transaction.atomic():
        Draft.objects.create(example=example)
        other.start()
        other.join(0.5)
    other.join(10)
    assert example.drafts.count() == 2
    check(example.dataset)
