"""Working copies on the server, the trash, and the way back from both."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from curation.models import AuditEvent, Comment, Draft, Example, FixStep, Revision, WorkingCopy
from curation.permissions import access_to
from curation.services import comments, copies, steps, trash, undo
from curation.services.copies import DraftGone, Kept
from curation.services.steps import StepText
from curation.services.trash import TrashRefused
from executor.models import Run
from executor.services import request_run
from tests.factories import FIXED, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user("ann")


def test_two_tabs_keep_two_copies(ann: User) -> None:
    draft = make_draft()
    copies.keep(draft, Kept("one", 0, "x"), by=ann)
    copies.keep(draft, Kept("two", 0, "y"), by=ann)
    copies.keep(draft, Kept("one", 0, "xx", form={"fix_info": "why"}, seconds=5), by=ann)
    found = {copy.tab: copy for copy in copies.unsaved(draft, ann)}
    assert {tab: copy.code for tab, copy in found.items()} == {"one": "xx", "two": "y"}
    assert (found["one"].form, found["one"].seconds) == ({"fix_info": "why"}, 5)


def test_a_copy_taken_over_is_there_once(ann: User) -> None:
    draft = make_draft()
    copies.keep(draft, Kept("old", 0, "x"), by=ann)
    copies.keep(draft, Kept("new", 0, "x", replaces="old"), by=ann)
    assert [copy.tab for copy in copies.unsaved(draft, ann)] == ["new"]


def test_an_empty_text_is_an_edit(ann: User) -> None:
    draft = make_draft()
    copies.keep(draft, Kept("one", 0, ""), by=ann)
    assert [copy.code for copy in copies.unsaved(draft, ann)] == [""]
    copies.keep(draft, Kept("one", 0, None), by=ann)
    assert copies.unsaved(draft, ann) == []


def test_others_are_seen_while_they_are_there(ann: User) -> None:
    draft, bea, cem = make_draft(), make_user("bea"), make_user("cem")
    copies.keep(draft, Kept("a", 0, "x"), by=ann)
    copies.keep(draft, Kept("b", 0, None), by=bea)
    copies.keep(draft, Kept("b2", 0, "y"), by=bea)
    copies.keep(draft, Kept("c", 0, None), by=cem)
    assert copies.others_here(draft, ann) == ["bea is editing", "cem is here"]
    later = timezone.now() + timedelta(minutes=1)
    assert copies.others_here(draft, ann, now=later) == []


def test_nobody_gets_anothers_copy(ann: User) -> None:
    draft, bea = make_draft(), make_user("bea")
    copies.keep(draft, Kept("tab", 0, "x"), by=ann)
    copies.drop(draft, "tab", by=bea)
    copies.keep(draft, Kept("tab", 0, "y", replaces="tab"), by=bea)
    assert [copy.code for copy in copies.unsaved(draft, ann)] == ["x"]


@pytest.fixture
def example(ann: User) -> Example:
    example = make_example()
    draft = make_draft(example=example)
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(fix_info="Why."), by=ann)
    comments.add_comment(draft, text="Hm.", step=step, by=ann)
    request_run(example, FIXED, draft=draft, by=ann)
    copies.keep(draft, Kept("tab", 1, "unsaved"), by=ann)
    example.attachments.create(name="data.csv", content=b"\x00\xff")
    return example


def everything() -> list[object]:
    models = (Example, Draft, Revision, FixStep, Comment, Run, WorkingCopy)
    rows: list[object] = [list(model._default_manager.order_by("pk").values()) for model in models]
    files = [bytes(e.content) for x in Example.objects.all() for e in x.attachments.all()]
    return [*rows, files]


def test_a_deleted_example_comes_back_as_it_was(example: Example, ann: User) -> None:
    before = everything()
    kept = trash.delete(example, by=ann)
    assert not Example.objects.exists() and not Run.objects.exists()
    trash.bring_back(kept, by=ann)
    assert everything() == before
    with pytest.raises(TrashRefused, match="already"):
        trash.bring_back(kept, by=ann)


def test_a_deletion_is_undone_from_the_history(example: Example, ann: User) -> None:
    before, dataset = everything(), example.dataset
    trash.delete(example.drafts.get(), by=ann)
    event = AuditEvent.objects.filter(action="draft.deleted").get()
    undo.undo(event, access=access_to(ann, dataset), by=ann)
    after = everything()
    # Which draft first asked for a run is not known any more; its verdict is.
    assert [rows for i, rows in enumerate(after) if i != 5] == [
        rows for i, rows in enumerate(before) if i != 5
    ]


def test_what_lost_its_place_stays_in_the_trash(example: Example, ann: User) -> None:
    dataset, name = example.dataset, example.example_id
    kept = trash.delete(example, by=ann)
    other = make_example(dataset)
    Example.objects.filter(pk=other.pk).update(example_id=name)
    with pytest.raises(TrashRefused, match="is taken"):
        trash.bring_back(kept, by=ann)
    assert dataset.trash.count() == 1
    assert dataset.examples.get() == other


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("whole", [False, True])
def test_a_draft_is_deleted_in_the_instant_of_an_autosave(ann: User, whole: bool) -> None:
    """Whichever comes first, both end in a sentence or in what was wanted."""
    draft = make_draft()
    # Another object than the editor's, as in another request: what is deleted forgets its id.
    item = Example.objects.get() if whole else Draft.objects.get()
    # The deletion is under way: the autosave waits for it, and is told.
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            kept = trash.delete(item, by=ann)
            saving = pool.submit(_apart, copies.keep, draft, Kept("tab", 0, "x"), by=ann)
            _wait_for_a_lock()
        with pytest.raises(DraftGone, match="can bring it back"):
            saving.result(30)
    assert not WorkingCopy.objects.exists()
    trash.bring_back(kept, by=ann)
    draft = Draft.objects.get()
    # The autosave is under way: the deletion waits, and takes the copy along.
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            copies.keep(draft, Kept("tab", 0, "x"), by=ann)
            deleting = pool.submit(_apart, trash.delete, draft.example if whole else draft, by=ann)
            _wait_for_a_lock()
        trash.bring_back(deleting.result(30), by=ann)
    assert WorkingCopy.objects.get().code == "x"


def _apart(do: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """In a connection of its own, as another request has."""
    try:
        return do(*arguments, **more)
    finally:
        connection.close()


def _wait_for_a_lock() -> None:
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    for _ in range(300):
        with connection.cursor() as cursor:
            cursor.execute(blocked)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waited")
