"""The step ledger's text rules: where a snippet stands in a program, and what an edit replaced.

Plain functions over strings. Offsets are characters. A step replays when its Error_Code stands
exactly once in the revision before it and putting Fixed_Code in its place gives the revision after.
"""

import difflib
import re
import textwrap
from dataclasses import dataclass

from curation.enums import Located

# Below this similarity two blocks of lines share too little to be called the same place.
FUZZY_RATIO = 0.75
# Texts that repeat themselves take minutes to compare; past these sizes none is called similar.
_FUZZY_CHARACTERS = 2_000_000
_FUZZY_COST = 30_000_000


@dataclass(frozen=True, slots=True)
class Location:
    """How a snippet was found, and its characters [start, end) when it was."""

    located: Located
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """One edit as a step states it: `error_code`, found at [start, end), became `fixed_code`."""

    start: int
    end: int
    error_code: str
    fixed_code: str


def locate(snippet: str, code: str, reference: str = "") -> Location:
    """Find `snippet` in `code`: verbatim, up to whitespace, or as similar lines.

    A snippet that stands only in `reference` (the PyTorch input) targets the input. Nothing is
    guessed among several equal places.
    """
    if not snippet.strip():
        return Location(Located.ABSENT)
    for located, matches in (
        (Located.EXACT, _verbatim_matches),
        (Located.WHITESPACE, _whitespace_matches),
    ):
        if spans := matches(snippet, code):
            return Location(located, *spans[0]) if len(spans) == 1 else Location(Located.AMBIGUOUS)
    if _whitespace_matches(snippet, reference):
        return Location(Located.TARGETS_INPUT)
    span = _similar_lines(snippet, code)
    return Location(Located.FUZZY, *span) if span else Location(Located.ABSENT)


def places(snippet: str, code: str) -> list[tuple[int, int]]:
    """Characters [start, end) of `code` that are `snippet`, verbatim or else up to white
    space: where an ambiguous step may belong."""
    if not snippet.strip():
        return []
    return _verbatim_matches(snippet, code) or _whitespace_matches(snippet, code)


def _verbatim_matches(snippet: str, code: str) -> list[tuple[int, int]]:
    """The first two places that do not overlap: a third says no more, and there may be millions."""
    found: list[tuple[int, int]] = []
    at = code.find(snippet)
    while at >= 0 and len(found) < 2:
        found.append((at, at + len(snippet)))
        at = code.find(snippet, at + len(snippet))
    return found


def stands_once(snippet: str, code: str) -> bool:
    """Whether `snippet` is found at one place only; places may overlap, unlike in str.count."""
    start = code.find(snippet) if snippet else -1
    return start >= 0 and code.find(snippet, start + 1) < 0


def _whitespace_matches(snippet: str, code: str) -> list[tuple[int, int]]:
    """The first two spans of `code` equal to `snippet` without comments and all whitespace."""
    wanted, _ = _squeeze(snippet)
    squeezed, offsets = _squeeze(code)
    if not wanted:
        return []
    found: list[tuple[int, int]] = []
    at = squeezed.find(wanted)
    while at >= 0 and len(found) < 2:
        found.append((offsets[at], offsets[at + len(wanted) - 1] + 1))
        at = squeezed.find(wanted, at + 1)
    return found


def _squeeze(code: str) -> tuple[str, list[int]]:
    """`code` without comments and whitespace, and where each kept character stood.

    A line's comment is what follows a `#` that is preceded by white space or starts the line; a
    `#` inside a string is taken for a comment too, on both sides alike.
    """
    kept: list[str] = []
    offsets: list[int] = []
    position = 0
    for line in code.splitlines(keepends=True):
        comment = re.search(r"(?:^|(?<=\s))#", line)
        for index, char in enumerate(line[: comment.start()] if comment else line):
            if not char.isspace():
                kept.append(char)
                offsets.append(position + index)
        position += len(line)
    return "".join(kept), offsets


def _similar_lines(snippet: str, code: str) -> tuple[int, int] | None:
    """The one block of lines most like `snippet`, if it is alike enough and alone in that."""
    wanted = [line.strip() for line in snippet.strip().splitlines()]
    text = "\n".join(wanted)
    lines = code.splitlines(keepends=True)
    if len(lines) * len(text) > _FUZZY_CHARACTERS:
        return None
    blocks = [
        "\n".join(line.strip() for line in lines[first : first + len(wanted)])
        for first in range(len(lines) - len(wanted) + 1)
    ]
    first = _most_alike(text, blocks)
    if first is None:
        return None
    start = sum(len(line) for line in lines[:first])
    length = sum(len(line) for line in lines[first : first + len(wanted)])
    return start, start + len(code[start : start + length].rstrip("\n"))


def _most_alike(text: str, blocks: list[str]) -> int | None:
    """The index of the block most like `text`, unless two are, or finding out costs too much."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    bounds: list[tuple[float, int]] = []
    for index, block in enumerate(blocks):
        matcher.set_seq1(block)
        if matcher.real_quick_ratio() >= FUZZY_RATIO and matcher.quick_ratio() >= FUZZY_RATIO:
            bounds.append((matcher.quick_ratio(), index))
    best, cost = FUZZY_RATIO, 0
    found: list[int] = []
    # The quick ratio bounds the true one: once it falls below the best, nothing better follows.
    for bound, index in sorted(bounds, reverse=True):
        if bound < best:
            break
        cost += len(blocks[index]) * len(text)
        if cost > _FUZZY_COST:
            return None
        matcher.set_seq1(blocks[index])
        score = matcher.ratio()
        if score > best:
            best, found = score, []
        if score == best:
            found.append(index)
    return found[0] if len(found) == 1 else None


def apply(code: str, start: int, end: int, fixed_code: str) -> str:
    return code[:start] + fixed_code + code[end:]


def reindented(text: str, like: str) -> str:
    """`text` with the indentation of the first line of `like`, its own shape kept."""
    indent = like[: len(like) - len(like.lstrip(" \t"))]
    first, *rest = text.split("\n")
    # People often quote the first line without its indentation and the others with it.
    body = textwrap.dedent("\n".join(rest))
    if not rest or first[:1].isspace():
        return textwrap.indent(textwrap.dedent(text), indent)
    extra = "    " if first.rstrip().endswith(":") and body[:1].strip() else ""
    return textwrap.indent(first + "\n" + textwrap.indent(body, extra), indent)


def replay(code: str, error_code: str, fixed_code: str) -> str | None:
    """The next revision when `error_code` stands exactly once in `code`; None otherwise."""
    if not stands_once(error_code, code):
        return None
    return code.replace(error_code, fixed_code)


def propose(before: str, after: str, lines: tuple[int, int] | None = None) -> Replacement | None:
    """The smallest run of whole lines that turns `before` into `after` and replays.

    Neighbouring lines are taken in until the replaced text is not empty on either side and
    stands once in `before`; so are those of `lines`, the first and last line of `before` that a
    person wants in it, counted from 1. None when nothing changed.
    """
    if before == after:
        return None
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    if lines is not None:
        head = max(0, min(head, lines[0] - 1))
        tail = max(0, min(tail, len(old) - lines[1]))
    while True:
        step = _as_replacement(old, new, head, tail)
        whole = head == 0 and tail == 0
        if whole or (
            step.error_code.strip() and step.fixed_code and stands_once(step.error_code, before)
        ):
            return step
        if head > 0:
            head -= 1
        else:
            tail -= 1


def _common(first: list[str], second: list[str]) -> int:
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count


def _as_replacement(old: list[str], new: list[str], head: int, tail: int) -> Replacement:
    error_code = "".join(old[head : len(old) - tail])
    fixed_code = "".join(new[head : len(new) - tail])
    # The line break after the block stays outside it, as people quote code.
    if error_code.endswith("\n") and fixed_code.endswith("\n"):
        error_code, fixed_code = error_code[:-1], fixed_code[:-1]
    start = sum(len(line) for line in old[:head])
    return Replacement(start, start + len(error_code), error_code, fixed_code)
