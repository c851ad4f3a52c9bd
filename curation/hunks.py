"""The separate places where two texts differ, and the text with only some of them changed.

Plain functions over strings. Lines are compared whole.
"""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# Lines that repeat themselves take minutes to compare one by one; past this product none is.
_FINE = 4_000_000


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines [start, end) of the old text, counted from 0, became `new`."""

    index: int
    start: int
    end: int
    old: str
    new: str


def opcodes(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """difflib's opcodes from the old to the new lines; long texts are compared less finely."""
    coarse = len(old) * len(new) > _FINE
    return difflib.SequenceMatcher(None, old, new, autojunk=coarse).get_opcodes()


def hunks_of(before: str, after: str) -> list[Hunk]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    changes = [code for code in opcodes(old, new) if code[0] != "equal"]
    return [
        Hunk(index, a, b, "".join(old[a:b]), "".join(new[c:d]))
        for index, (_, a, b, c, d) in enumerate(changes)
    ]


def separable(before: str, after: str) -> list[Hunk]:
    """The places of a change; of a single one its lines, where each became another."""
    found = hunks_of(before, after)
    if len(found) != 1:
        return found
    hunk = found[0]
    old, new = (text.splitlines(keepends=True) for text in (hunk.old, hunk.new))
    if len(old) != len(new):
        return found
    at = hunk.start
    pairs = enumerate(zip(old, new, strict=True))
    return [Hunk(i, at + i, at + i + 1, one, other) for i, (one, other) in pairs]


def with_hunks(before: str, hunks: list[Hunk], chosen: Collection[int]) -> str:
    """`before` with the chosen hunks applied, the others left as they were."""
    old = before.splitlines(keepends=True)
    parts, at = [], 0
    for hunk in hunks:
        parts += old[at : hunk.start]
        parts.append(hunk.new if hunk.index in chosen else hunk.old)
        at = hunk.end
    return "".join([*parts, *old[at:]])
