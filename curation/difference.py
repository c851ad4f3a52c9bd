"""How two texts differ: line by line, and within the lines that were changed.

Plain functions over strings. Line ends and the break after the last line make no difference here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import NamedTuple

from curation.hunks import opcodes

# Two lines of a changed block stand beside each other when they are more alike than this.
ALIKE = 0.5
# Unchanged lines that are shown around a change when the others are left out.
AROUND = 3
# Past these products of characters and of words, comparing costs more than it tells.
_BLOCK_COST = 2_000_000
_LINE_COST = 250_000
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A part of a line; `changed` when the other side has something else there."""

    text: str
    changed: bool


class Cell(NamedTuple):
    """One side's line, counted from 1."""

    number: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other. `mark` is same, change, del, add, or fold for `hidden` equal
    rows that are left out."""

    mark: str
    left: Cell | None = None
    right: Cell | None = None
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of both texts under each other; `mark` is same, del, add or fold."""

    mark: str
    left: int | None = None
    right: int | None = None
    pieces: tuple[Piece, ...] = ()
    hidden: int = 0


def lines_of(text: str) -> list[str]:
    """As tracebacks and editors count them: form feeds and the like end no line."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if lines[-1] == "" else lines


def rows_of(before: str, after: str) -> list[Row]:
    old, new = lines_of(before), lines_of(after)
    rows: list[Row] = []
    for tag, a, b, c, d in opcodes(old, new):
        if tag == "equal":
            rows += [_same(a + i, c + i, old[a + i]) for i in range(b - a)]
        else:
            rows += _changed(old[a:b], new[c:d], a, c)
    return rows


def changes_in(rows: Sequence[Row]) -> int:
    """How many separate places differ."""
    return sum(1 for same, _ in groupby(rows, lambda row: row.mark == "same") if not same)


def folded(rows: Sequence[Row]) -> list[Row]:
    """The changes and the lines around them; what is left out is counted."""
    shown: list[Row] = []
    groups = [(same, list(group)) for same, group in groupby(rows, lambda r: r.mark == "same")]
    for index, (same, group) in enumerate(groups):
        head = AROUND if index > 0 else 0
        tail = AROUND if index + 1 < len(groups) else 0
        hidden = len(group) - head - tail
        if not same or hidden <= 1:
            shown += group
            continue
        shown += [*group[:head], Row("fold", hidden=hidden), *group[len(group) - tail :]]
    return shown


def inline(rows: Sequence[Row]) -> list[Line]:
    """The rows under each other: of each changed place what was there, then what is."""
    lines: list[Line] = []
    for plain, group in groupby(rows, lambda row: row.mark in ("same", "fold")):
        own = list(group)
        if plain:
            lines += [_plain_line(row) for row in own]
            continue
        lines += [Line("del", r.left.number, None, r.left.pieces) for r in own if r.left]
        lines += [Line("add", None, r.right.number, r.right.pieces) for r in own if r.right]
    return lines


def _plain_line(row: Row) -> Line:
    if row.left is None or row.right is None:
        return Line("fold", hidden=row.hidden)
    return Line("same", row.left.number, row.right.number, row.left.pieces)


def _same(left: int, right: int, text: str) -> Row:
    pieces = (Piece(text, False),)
    return Row("same", Cell(left + 1, pieces), Cell(right + 1, pieces))


def _changed(old: list[str], new: list[str], a: int, c: int) -> Iterator[Row]:
    for i, j in _paired(old, new):
        if i is not None and j is not None:
            left, right = pieces_of(old[i], new[j])
            yield Row("change", Cell(a + i + 1, left), Cell(c + j + 1, right))
        elif i is not None:
            yield Row("del", left=Cell(a + i + 1, (Piece(old[i], False),)))
        elif j is not None:
            yield Row("add", right=Cell(c + j + 1, (Piece(new[j], False),)))


def _paired(old: list[str], new: list[str]) -> list[tuple[int | None, int | None]]:
    """Which line of a block became which, in order, so that what is alike stands together."""
    if not old or not new or sum(map(len, old)) * sum(map(len, new)) > _BLOCK_COST:
        return list(zip_longest(range(len(old)), range(len(new))))
    alike = [[_likeness(one, other) for other in new] for one in old]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], alike[i][j] + best[i + 1][j + 1])
    pairs: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        if alike[i][j] and best[i][j] == alike[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    pairs += [(rest, None) for rest in range(i, len(old))]
    return pairs + [(None, rest) for rest in range(j, len(new))]


def _likeness(one: str, other: str) -> float:
    """0 for lines that have too little in common to be the same one, changed."""
    matcher = SequenceMatcher(None, one.strip(), other.strip(), autojunk=False)
    if matcher.real_quick_ratio() <= ALIKE or matcher.quick_ratio() <= ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio > ALIKE else 0.0


def pieces_of(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lines in parts, those marked that the other does not have."""
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    if len(a) * len(b) > _LINE_COST:
        return (Piece(old, True),), (Piece(new, True),)
    left, right = [], []
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        left.append(Piece("".join(a[i:j]), tag != "equal"))
        right.append(Piece("".join(b[k:m]), tag != "equal"))
    return tuple(p for p in left if p.text), tuple(p for p in right if p.text)
