"""Differences as pages show them: lines, what changed within them, what is folded."""

from hypothesis import given
from hypothesis import strategies as st

from curation.difference import (
    Piece,
    Row,
    changes_in,
    folded,
    inline,
    lines_of,
    pieces_of,
    rows_of,
)

BEFORE = "import jax\n\nx = jnp.ones(3)\nprint(x)\n"
AFTER = "import jax\n\nx = jnp.ones(2)\nprint(x)\n# done\n"


def texts(rows: list[Row], side: str) -> list[str]:
    cells = [getattr(row, side) for row in rows]
    return ["".join(piece.text for piece in cell.pieces) for cell in cells if cell]


def test_a_changed_line_stands_beside_what_it_was_with_the_changed_part_marked() -> None:
    rows = rows_of(BEFORE, AFTER)
    assert [row.mark for row in rows] == ["same", "same", "change", "same", "add"]
    changed = rows[2]
    assert changed.left is not None and changed.right is not None
    assert (changed.left.number, changed.right.number) == (3, 3)
    assert [p.text for p in changed.left.pieces if p.changed] == ["3"]
    assert [p.text for p in changed.right.pieces if p.changed] == ["2"]
    assert changes_in(rows) == 2


def test_lines_are_paired_by_what_they_share_not_by_their_place() -> None:
    rows = rows_of("a = first(1)\n", "new = 0\na = first(2)\n")
    assert [row.mark for row in rows] == ["add", "change"]


def test_inline_shows_what_was_there_before_what_is() -> None:
    lines = inline(rows_of("a = 1\nb = 2\nc\n", "a = 3\nb = 4\nc\n"))
    assert [line.mark for line in lines] == ["del", "del", "add", "add", "same"]
    assert [(line.left, line.right) for line in lines][:3] == [(1, None), (2, None), (None, 1)]


def test_unchanged_stretches_are_folded_and_counted() -> None:
    before = "".join(f"line {number}\n" for number in range(40))
    rows = rows_of(before, before.replace("line 20\n", "line twenty\n"))
    assert [(r.mark, r.hidden) for r in folded(rows) if r.mark == "fold"] == [
        ("fold", 17),
        ("fold", 16),
    ]
    assert folded(rows_of(before, before))[0].hidden == 40


def test_line_ends_and_the_last_break_are_no_change() -> None:
    assert changes_in(rows_of("a\r\nb\r\n", "a\nb")) == 0
    assert lines_of("a\x0cb\n\n") == ["a\x0cb", ""]


def test_very_long_and_repeated_lines_are_compared_at_once() -> None:
    left, right = pieces_of("7 " * 2000, "7 " * 2001)
    assert (left, right) == ((Piece("7 " * 2000, True),), (Piece("7 " * 2001, True),))
    assert len(rows_of("x\n" * 30_000, "x\n" * 30_001)) == 30_001


CODE = st.text(alphabet="ab( )\n", max_size=60)


@given(before=CODE, after=CODE)
def test_both_texts_can_be_read_off_the_rows(before: str, after: str) -> None:
    rows = rows_of(before, after)
    assert texts(rows, "left") == lines_of(before)
    assert texts(rows, "right") == lines_of(after)
    kept = [line for line in inline(rows) if line.mark in ("same", "del")]
    assert ["".join(p.text for p in line.pieces) for line in kept] == lines_of(before)
