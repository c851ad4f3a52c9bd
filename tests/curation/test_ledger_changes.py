"""Changing the ledger: what is after a change is replayed, what no longer applies is kept."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from curation import hunks, rewriting
from curation.enums import DraftStatus, Located, Origin
from curation.models import AuditEvent, Draft, FixStep
from curation.permissions import Access, access_to
from curation.rewriting import StepState
from curation.services import comments, drafts, ledger, review, steps, undo
from curation.services.audit import Actor
from curation.services.review import ACTIONS
from curation.services.steps import StepRefused, StepText
from curation.services.undo import UndoRefused
from tests.factories import head_of, make_draft, make_user, tell_verdict

A, B, C = "a = 1\n", "b = 1\n", "c = 1\n"


def fixed(line: str) -> str:
    return line.replace("1", "2")


@pytest.fixture
def person(db: None) -> User:
    return make_user()


@pytest.fixture
def draft(person: User) -> Draft:
    """Three steps, each of which mends another line of a, b, c."""
    draft = make_draft(A + B + C)
    codes = [fixed(A) + B + C, fixed(A) + fixed(B) + C, fixed(A) + fixed(B) + fixed(C)]
    for base, (name, code) in enumerate(zip("abc", codes, strict=True)):
        text = StepText(fix_info=f"mends {name}", seconds=10)
        steps.save_step(draft, base=base, code=code, text=text, by=person)
    return draft


def step(draft: Draft, order: int) -> FixStep:
    return draft.steps.get(order=order)


def told(draft: Draft) -> list[tuple[str, str]]:
    """Fix_info of every step, and the code that it leads to ("" where it does not apply)."""
    rows = draft.steps.order_by("order").select_related("after")
    return [(row.fix_info, row.after.code if row.after else "") for row in rows]


def codes(draft: Draft) -> list[str]:
    return list(draft.revisions.order_by("number").values_list("code", flat=True))


def state(draft: Draft) -> object:
    """Everything that an undo has to bring back."""
    return ledger.snapshot(draft)


def test_removing_a_step_replays_those_after_it(draft: Draft, person: User) -> None:
    kept = head_of(draft)
    assert ledger.remove_step(step(draft, 1), by=person).lost == ()
    assert told(draft) == [
        ("mends b", A + fixed(B) + C),
        ("mends c", A + fixed(B) + fixed(C)),
    ]
    assert codes(draft) == [A + B + C, A + fixed(B) + C, A + fixed(B) + fixed(C)]
    assert not draft.revisions.filter(pk=kept.pk).exists()


def test_revisions_before_a_change_stay(draft: Draft, person: User) -> None:
    first = draft.revisions.get(number=1)
    ledger.remove_step(step(draft, 3), by=person)
    assert draft.revisions.get(number=1) == first
    assert draft.revisions.count() == 3


def test_moving_a_step(draft: Draft, person: User) -> None:
    ledger.move_step(step(draft, 3), to=1, by=person)
    assert [words for words, _ in told(draft)] == ["mends c", "mends a", "mends b"]
    assert codes(draft)[1] == A + B + fixed(C)
    assert codes(draft)[-1] == fixed(A) + fixed(B) + fixed(C)
    with pytest.raises(StepRefused, match="no place 4"):
        ledger.move_step(step(draft, 1), to=4, by=person)


def test_what_no_longer_applies_is_kept_and_told(draft: Draft, person: User) -> None:
    steps.save_step(
        draft, base=3, code="a = 3\n" + fixed(B) + fixed(C), text=StepText(fix_info="3"), by=person
    )
    outcome = ledger.remove_step(step(draft, 1), by=person)
    assert outcome.lost == (3,)
    lost = step(draft, 3)
    assert (lost.fix_info, lost.after, lost.located) == ("3", None, Located.ABSENT)
    assert (lost.error_code, lost.fixed_code) == ("a = 2", "a = 3")
    assert codes(draft)[-1] == A + fixed(B) + fixed(C)
    # Mended by hand it applies again, and so does the rest of the ledger.
    ledger.edit_code(lost, error_code="a = 1", fixed_code="a = 3", by=person)
    assert codes(draft)[-1] == "a = 3\n" + fixed(B) + fixed(C)


def test_a_step_is_anchored_at_a_place(draft: Draft, person: User) -> None:
    lost = ledger.edit_code(step(draft, 2), error_code="nowhere", fixed_code="b = 2", by=person)
    assert lost.lost == (2,)
    found = step(draft, 2)
    assert ledger.code_before(found) == fixed(A) + B + C
    start = len(A)
    ledger.anchor(found, start=start, end=start + 5, fixed_code="b = 2", by=person)
    found.refresh_from_db()
    assert (found.error_code, found.located) == ("b = 1", Located.EXACT)
    assert codes(draft)[-1] == fixed(A) + fixed(B) + fixed(C)
    with pytest.raises(StepRefused, match="not in the code"):
        ledger.anchor(found, start=5, end=500, fixed_code="x", by=person)


def test_merge_and_split_are_each_others_way_back(draft: Draft, person: User) -> None:
    ledger.merge_with_next(step(draft, 1), by=person)
    one = step(draft, 1)
    assert (one.fix_info, one.seconds) == ("mends a\nmends b", 20)
    assert codes(draft)[1] == fixed(A) + fixed(B) + C
    assert draft.steps.count() == 2
    with pytest.raises(StepRefused, match="not none, not all"):
        ledger.split_step(one, first=[], by=person)


def test_a_step_is_split_by_its_changes(person: User) -> None:
    draft = make_draft(A + B + C)
    done = fixed(A) + B + fixed(C)
    text = StepText(fix_info="both", seconds=9)
    one = steps.save_step(draft, base=0, code=done, text=text, by=person)
    ledger.split_step(one, first=[1], by=person)
    assert told(draft) == [("both", A + B + fixed(C)), ("both", done)]
    assert [row.seconds for row in draft.steps.order_by("order")] == [9, 0]
    assert step(draft, 1).pk == one.pk


def test_an_imported_final_version_stays_at_the_end(person: User) -> None:
    draft = make_draft(A + B)
    steps.save_step(draft, base=0, code=fixed(A) + B, text=StepText(), by=person)
    drafts.add_revision(draft, "final\n", origin=Origin.FINAL, by=person)
    ledger.edit_code(step(draft, 1), error_code="a = 1", fixed_code="a = 9", by=person)
    assert codes(draft) == [A + B, "a = 9\n" + B, "final\n"]
    assert head_of(draft).origin == Origin.FINAL


def test_a_changed_draft_is_neither_verified_nor_in_review(draft: Draft, person: User) -> None:
    tell_verdict(draft, passed=True)
    review.act(draft, ACTIONS["submit"], by=person)
    ledger.remove_step(step(draft, 1), by=person)
    draft.refresh_from_db()
    assert (draft.status, draft.submitted_at) == (DraftStatus.REPAIRING, None)


def test_comments_stay_with_their_step(draft: Draft, person: User) -> None:
    comments.add_comment(draft, text="Hm.", step=step(draft, 3), by=person)
    ledger.move_step(step(draft, 3), to=1, by=person)
    assert draft.comments.get().step == step(draft, 1)


CHANGES: dict[str, Callable[[Draft, User], object]] = {
    "remove": lambda d, by: ledger.remove_step(step(d, 1), by=by),
    "move": lambda d, by: ledger.move_step(step(d, 1), to=3, by=by),
    "merge": lambda d, by: ledger.merge_with_next(step(d, 2), by=by),
    "edit": lambda d, by: ledger.edit_code(step(d, 1), error_code="x", fixed_code="y", by=by),
    "words": lambda d, by: steps.edit_step(step(d, 1), text=StepText(fix_info="new"), by=by),
    "settle": lambda d, by: ledger.settle(step(d, 1), True, by=by),
    "save": lambda d, by: steps.save_step(d, base=3, code="z\n", text=StepText(), by=by),
}


def newest(draft: Draft) -> AuditEvent:
    return AuditEvent.objects.filter(draft_pk=draft.pk).order_by("-pk")[0]


def access(draft: Draft, user: Actor) -> Access:
    assert user is not None
    return access_to(user, draft.example.dataset)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_the_ledger_is_undone(draft: Draft, person: User, name: str) -> None:
    before = state(draft)
    CHANGES[name](draft, person)
    event = newest(draft)
    assert state(draft) != before
    undo.undo(event, access=access(draft, person), by=person)
    assert state(draft) == before
    with pytest.raises(UndoRefused, match="taken back already"):
        undo.undo(event, access=access(draft, person), by=person)


def test_an_undo_is_undone(draft: Draft, person: User) -> None:
    ledger.remove_step(step(draft, 1), by=person)
    after = state(draft)
    undo.undo(newest(draft), access=access(draft, person), by=person)
    restored = AuditEvent.objects.filter(action="ledger.restored").get()
    undo.undo(restored, access=access(draft, person), by=person)
    assert state(draft) == after


LINES = st.lists(st.sampled_from(["a", "b", "c = 1", "  d"]), min_size=1, max_size=8)


@given(LINES, LINES, st.data())
def test_some_hunks_then_the_others_make_the_whole(
    old: list[str], new: list[str], data: st.DataObject
) -> None:
    before, after = "\n".join(old) + "\n", "\n".join(new) + "\n"
    found = hunks.hunks_of(before, after)
    assert hunks.with_hunks(before, found, []) == before
    assert hunks.with_hunks(before, found, range(len(found))) == after
    chosen = data.draw(st.sets(st.integers(0, max(0, len(found) - 1))))
    middle = hunks.with_hunks(before, found, chosen)
    if middle in (before, after):
        return
    states = rewriting.parts_of(StepState(before, after), [before, middle, after])
    made = rewriting.rewrite(before, states)
    assert made.codes == (before, middle, after)


def test_the_whole_program_can_be_one_step() -> None:
    made = rewriting.rewrite("", [StepState("", "x = 1\n")])
    assert made.codes == ("", "x = 1\n")
