"""Three-way merge: nobody's lines are lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.merge import BETWEEN, MINE, THEIRS, merge

BASE = "a\nb\nc\nd\ne\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        (BASE, BASE, BASE),
        ("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n"),
        ("a\nb\nc\nd\ne\nmine\n", "theirs\na\nb\nc\nd\ne\n", "theirs\na\nb\nc\nd\ne\nmine\n"),
        ("a\nc\nd\ne\n", "a\nb\nc\nd\n", "a\nc\nd\n"),
        ("a\nX\nc\nd\ne\n", "a\nX\nc\nd\ne\n", "a\nX\nc\nd\ne\n"),
    ],
)
def test_changes_of_different_places_stand_together(mine: str, theirs: str, both: str) -> None:
    found = merge(BASE, mine, theirs)
    assert (found.text, found.conflicts) == (both, 0)


def test_changes_of_one_place_are_both_shown() -> None:
    found = merge(BASE, "a\nM\nc\nd\ne\n", "a\nT\nc\nd\ne\n")
    assert found.conflicts == 1
    assert found.text == f"a\n{MINE}M\n{BETWEEN}T\n{THEIRS}c\nd\ne\n"


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "e"]), max_size=8).map("".join)


@given(LINES, LINES)
def test_what_one_side_left_alone_is_the_others(base: str, other: str) -> None:
    assert merge(base, other, base).text == other
    assert merge(base, base, other).text == other
    assert merge(base, other, other) == merge(base, other, other)
    assert merge(base, other, other).conflicts == 0


@given(LINES, LINES, LINES)
def test_no_new_line_of_either_side_is_lost(base: str, mine: str, theirs: str) -> None:
    text = merge(base, mine, theirs).text
    kept = set(text.splitlines())
    for side in (mine, theirs):
        assert set(side.splitlines()) - set(base.splitlines()) <= kept
