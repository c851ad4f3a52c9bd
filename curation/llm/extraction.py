"""The program inside a model's answer.

Which text is the code, when an answer holds several blocks: Python blocks that together make one
program (no name is defined twice, and joined they parse) are joined in order; otherwise they are
versions of one another, and the longest is taken. Blocks labelled as another language are not
code. Whatever is not taken is counted in the note.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace

from curation.syntax import tree

PYTHON_LABELS = {"", "python", "python3", "py", "py3", "jax", "ipython", "python-repl"}

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<label>[^\s`]*)[^`]*$")
_LONGEST_FENCE = 200
_TAGS = re.compile(r"\[PYTHON\]\s*?\n?(?P<code>.*?)(?P<end>\[/PYTHON\]|\Z)", re.DOTALL | re.I)
_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_CODE_LINE = re.compile(
    r"""\s*(?:import\s+[\w.]+|from\s+[\w.]+\s+import\b|(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[:(]
    |@\w|[#"']|(?:if|for|while|with|try)\b.*:\s*(?:\#.*)?$|return\b|[\w.\[\], ]+\s*[-+*/]?=[^=]
    |[\w.]+\(|[)\]}])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The code, and a sentence on what was left out or looks cut off (empty: nothing).

    Where nothing stood out as code, `code` is the whole answer and `is_code` is False.
    """

    code: str
    note: str = ""
    is_code: bool = True


@dataclass(frozen=True, slots=True)
class _Block:
    label: str
    code: str
    closed: bool


def extract_code(answer: str) -> Extraction:
    """The program in `answer`; the answer itself when no part of it stands out as code."""
    text = answer.replace("\r\n", "\n")
    thinking = _THINKING.match(text)
    if thinking:
        text = text[thinking.end() :]
    blocks = _fenced(text) or _tagged(text)
    found = _from_blocks(text, blocks) if blocks else _from_prose(text)
    if not thinking:
        return found
    return replace(found, note=_join_notes("Left out the model's thinking.", found.note))


def _fenced(text: str) -> list[_Block]:
    """Blocks between fences of backticks or tildes; the last may lack its closing fence."""
    blocks: list[_Block] = []
    mark = label = ""
    body: list[str] = []
    for line in text.split("\n"):
        fence = _FENCE.match(line) if len(line) <= _LONGEST_FENCE else None
        if not mark:
            if fence:
                mark, label, body = fence["mark"], fence["label"].lower().strip("{}."), []
        elif fence and fence["mark"].startswith(mark) and not fence["label"]:
            blocks.append(_Block(label, _tidy(body), closed=True))
            mark = ""
        else:
            body.append(line)
    if mark:
        blocks.append(_Block(label, _tidy(body), closed=False))
    return blocks


def _tagged(text: str) -> list[_Block]:
    return [
        _Block("python", _tidy(match["code"].split("\n")), closed=bool(match["end"]))
        for match in _TAGS.finditer(text)
    ]


def _tidy(lines: list[str]) -> str:
    """Lines as one text: indentation of the whole taken off, one line break at the end."""
    code = textwrap.dedent("\n".join(lines)).strip("\n")
    return f"{code}\n" if code.strip() else ""


def _from_blocks(text: str, blocks: list[_Block]) -> Extraction:
    candidates = [b for b in blocks if b.label in PYTHON_LABELS and b.code]
    # An unlabelled block beside labelled ones is most often printed output or a shell line.
    labelled = [b for b in candidates if b.label]
    candidates = labelled or candidates or [b for b in blocks if b.code]
    if not candidates:
        note = "The answer holds an empty code block; nothing else."
        return Extraction(text.strip("\n"), note, is_code=False)
    code, note = _choose([b.code for b in candidates])
    # Lines count as left out when they are neither code taken nor fences.
    outside = _lines(text) - _lines(code) - sum(1 + b.closed for b in blocks)
    notes = [note]
    if outside > 0:
        notes.append(f"Left out {_count(outside, 'line')} around the code.")
    if not blocks[-1].closed:
        notes.append("The last code block is not closed: the answer may be cut off.")
    return Extraction(code, _join_notes(*notes))


def _choose(codes: list[str]) -> tuple[str, str]:
    """One program out of several blocks, and the sentence that says how."""
    if len(codes) == 1:
        return codes[0], ""
    joined = "\n".join(codes)
    names = [name for code in codes for name in _defined(code)]
    if parses(joined) and len(names) == len(set(names)):
        return joined, f"Joined {len(codes)} code blocks in their order."
    longest = max(codes, key=_lines)
    return longest, f"Took the longest of {len(codes)} code blocks."


def _defined(code: str) -> set[str]:
    """Names of the functions and classes at the top of `code`."""
    return set(re.findall(r"^(?:async\s+def|def|class)\s+(\w+)", code, re.MULTILINE))


def _from_prose(text: str) -> Extraction:
    """Code without fences: prose lines before and after it are left out."""
    if parses(text) or not text.strip():
        return Extraction(text)
    lines = text.split("\n")
    code_lines = [i for i, line in enumerate(lines) if _looks_like_code(line)]
    if not code_lines:
        note = "No code was found: the answer was taken as it is."
        return Extraction(text, note, is_code=False)
    first, last = code_lines[0], code_lines[-1]
    end = next((e for e in _ends(lines, first) if parses("\n".join(lines[first:e]))), last + 1)
    code = _tidy(lines[first:end])
    left_out = _lines("\n".join(lines[:first] + lines[end:]))
    note = f"Left out {_count(left_out, 'line')} around the code." if left_out else ""
    return Extraction(code if left_out else text, note)


def _ends(lines: list[str], first: int) -> Iterable[int]:
    """Where the code may end: after the last line, then before each of the last prose lines."""
    yield len(lines)
    tries = 0
    for index in range(len(lines) - 1, first, -1):
        if lines[index].strip() and not _looks_like_code(lines[index]):
            tries += 1
            yield index
        if tries >= 50:
            return


def _looks_like_code(line: str) -> bool:
    # Only the head of a line is matched: a pattern over a huge line could take minutes.
    head = line[:300]
    return bool(head.strip()) and bool(_CODE_LINE.match(head)) and not _is_sentence(head.strip())


def _is_sentence(line: str) -> bool:
    """Several words from a capital letter to a full stop or colon, as prose is written."""
    return line[0].isupper() and line[-1] in ".:!" and "=" not in line and line.count(" ") >= 2


def parses(code: str) -> bool:
    """Whether `code` is Python; never raises."""
    try:
        tree(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _join_notes(*notes: str) -> str:
    return " ".join(note for note in notes if note)
