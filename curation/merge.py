"""Three-way merge of two texts that began as the same one, line by line.

The method is diff3's: where only one side changed a stretch of the base, its change is taken; where
both changed it alike, once; where they differ, both stand between conflict marks.
"""

import difflib
from dataclasses import dataclass

MINE, BETWEEN, THEIRS = "<<<<<<< mine\n", "=======\n", ">>>>>>> theirs\n"


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged text, and how many stretches of it both sides changed differently."""

    text: str
    conflicts: int


def merge(base: str, mine: str, theirs: str) -> Merge:
    bases, own, other = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    lines: list[str] = []
    conflicts, at = 0, (0, 0, 0)
    for start, in_mine, in_theirs, length in _stable(bases, own, other):
        conflicts += _unstable(
            lines,
            bases[at[0] : start],
            own[at[1] : in_mine],
            other[at[2] : in_theirs],
        )
        lines += bases[start : start + length]
        at = (start + length, in_mine + length, in_theirs + length)
    return Merge("".join(lines), conflicts)


def _unstable(lines: list[str], base: list[str], mine: list[str], theirs: list[str]) -> bool:
    """Append what a stretch becomes; True when the two sides disagree."""
    if mine in (base, theirs):
        lines += theirs
    elif theirs == base:
        lines += mine
    else:
        lines += [MINE, *_ended(mine), BETWEEN, *_ended(theirs), THEIRS]
        return True
    return False


def _ended(lines: list[str]) -> list[str]:
    """A mark must begin its own line."""
    return [line if line.endswith("\n") else f"{line}\n" for line in lines]


def _stable(base: list[str], mine: list[str], theirs: list[str]) -> list[tuple[int, int, int, int]]:
    """Runs of lines that all three share: their starts in each, and their length.

    The last run is empty and stands at the ends.
    """
    in_mine, in_theirs = _matches(base, mine), _matches(base, theirs)
    runs: list[tuple[int, int, int, int]] = []
    index = 0
    while index < len(base):
        if index not in in_mine or index not in in_theirs:
            index += 1
            continue
        start = index
        while (
            index < len(base)
            and in_mine.get(index) == in_mine[start] + index - start
            and in_theirs.get(index) == in_theirs[start] + index - start
        ):
            index += 1
        runs.append((start, in_mine[start], in_theirs[start], index - start))
    return [*runs, (len(base), len(mine), len(theirs), 0)]


def _matches(base: list[str], other: list[str]) -> dict[int, int]:
    """For lines of `base` that `other` kept, where they stand there."""
    blocks = difflib.SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {a + offset: b + offset for a, b, size in blocks for offset in range(size)}
