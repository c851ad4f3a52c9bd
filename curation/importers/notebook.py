"""A Jupyter notebook with one problem: TorchLeet's question and its _SOLN file, or one alone.

The solution is the program; the question's text goes before it as comments. Cells are joined in
order, and the lines that only a notebook understands are set aside as comments. Data files beside
the notebook that its code names come along. The difficulty is that of a folder on the way to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curation.importers.base import Content, NotThisFormat
from curation.importers.json_stream import walk
from curation.importers.report import Note
from curation.importers.source import PLAIN_NAME
from curation.importers.values import LONGEST, MOST_CHARACTERS, MOST_PARSED, Refused, as_text, quote
from curation.llm.extraction import parses
from curation.records import Record

SOLUTION = re.compile(r"[-_ ]?(?:SOLN|SOLUTION)\Z", re.IGNORECASE)
DIFFICULTIES = {"basic": "easy", "easy": "easy", "medium": "medium", "hard": "hard"}
_NOTEBOOK = re.compile(r'\s*\{\s*"(?:cells|metadata|nbformat|nbformat_minor|worksheets)"\s*:')
_HEADING = re.compile(r"^\s*#{1,6}\s+(\S.*?)\s*#*\s*$", re.MULTILINE)
# Cells in another language, or written to a file: all of it is set aside.
_OTHER_CELL = re.compile(
    r"\s*%%(?:bash|sh|script|html|javascript|js|latex|markdown|svg|writefile|file|cmd|perl|ruby"
    r"|R|sql|cython|system|sx|!)\b"
)
_MAGIC = re.compile(r"^(?P<indent>\s*)(?P<text>(?:%|!|\?).*|[\w.]+\?{1,2}\s*)$")
_DATA_NAME = re.compile(r"""["'](?:\./)?([A-Za-z0-9_][A-Za-z0-9._-]*\.[A-Za-z0-9]{1,8})["']""")
_QUESTION_ENDS = ("", "_question", "-question", "_QUESTION")


@dataclass(frozen=True, slots=True)
class _Notebook:
    """The program of the code cells, the text of the others, and the lines set aside."""

    code: str
    text: str
    set_aside: tuple[str, ...]


class Notebook:
    name = "Jupyter notebook"

    def recognises(self, content: Content) -> bool:
        return bool(_NOTEBOOK.match(content.start)) or (
            content.name.lower().endswith(".ipynb") and content.start.lstrip().startswith("{")
        )

    def read(self, content: Content) -> Iterator[Record | Note]:
        problem = SOLUTION.sub("", content.stem)
        if problem == content.stem and _solution_of(content):
            return  # the solution's own turn takes both
        solution = _read(content)
        question = _question_of(content, problem)
        try:
            record = _record(content, problem, solution, question)
        except Refused as refusal:
            yield Note(content.name, str(refusal), quote(problem), refusal.field, refused=True)
            return
        if solution.set_aside:
            shown = ", ".join(quote(line) for line in solution.set_aside[:3])
            many = "line" if len(solution.set_aside) == 1 else "lines"
            message = f"{len(solution.set_aside)} {many} for notebooks set aside: {shown}."
            yield Note(content.name, message, quote(problem), "Input_Code")
        yield record


def _solution_of(content: Content) -> Content | None:
    extension = content.name.rpartition(".")[2]
    names = (f"{content.stem}{end}.{extension}" for end in ("_SOLN", "_soln", "_solution"))
    return next((found for name in names if (found := content.beside(name))), None)


def _question_of(content: Content, problem: str) -> _Notebook | None:
    if problem == content.stem:
        return None
    extension = content.name.rpartition(".")[2]
    for end in _QUESTION_ENDS:
        found = content.beside(f"{problem}{end}.{extension}")
        if found is not None:
            return _read(found)
    return None


def _record(
    content: Content, problem: str, solution: _Notebook, question: _Notebook | None
) -> Record:
    if not solution.code.strip():
        raise Refused("cells", "The notebook holds no code.")
    task = question.text if question and question.text.strip() else solution.text
    heading = _HEADING.search(task)
    comments = "".join(f"# {line}".rstrip() + "\n" for line in task.strip().splitlines())
    code = as_text("cells", f"{comments}\n{solution.code}" if comments else solution.code)
    if len(problem) > LONGEST["example_id"]:
        raise Refused("name", f"It is longer than {LONGEST['example_id']} characters.")
    return Record(
        example_id=problem,
        pytorch_code=code,
        title=heading[1][: LONGEST["title"]] if heading else "",
        difficulty=_difficulty(content),
        attachments=tuple(_data_files(content, solution.code)),
    )


def _difficulty(content: Content) -> str:
    for folder in reversed(content.folders):
        for word in re.split(r"[^a-z]+", folder.lower()):
            if word in DIFFICULTIES:
                return DIFFICULTIES[word]
    return ""


def _data_files(content: Content, code: str) -> list[str]:
    """Files beside the notebook that its code names."""
    names = {name for name in _DATA_NAME.findall(code) if PLAIN_NAME.fullmatch(name)}
    return sorted(name for name in names if len(name) <= 100 and content.beside(name))


def _read(content: Content) -> _Notebook:
    """Raises NotThisFormat, Unreadable."""
    codes: list[str] = []
    texts: list[str] = []
    aside: list[str] = []
    length = 0
    for number, cell in enumerate(_cells(content), start=1):
        kind, source = _cell(number, cell)
        length += len(source)
        if length > MOST_CHARACTERS:
            raise NotThisFormat(f"Its cells hold more than {MOST_CHARACTERS:,} characters.")
        if kind == "code" and source.strip():
            code, lines = without_magics(source)
            codes.append(code.strip("\n"))
            aside += lines
        elif kind == "markdown" and source.strip():
            texts.append(source.strip("\n"))
    code = "\n\n".join(codes)
    return _Notebook(f"{code}\n" if code else "", "\n\n".join(texts), tuple(aside))


def _cells(content: Content) -> Iterator[Any]:
    """One after the other: what programs drew and printed is not kept. Before format 4 they stand
    in worksheets.
    """
    there = False
    for piece in walk(content):
        if piece.key in ("cells", "worksheets"):
            there = there or piece.starts_list
            if piece.in_list and piece.key == "cells":
                yield piece.value
            elif piece.in_list:
                cells = piece.value.get("cells") if isinstance(piece.value, dict) else None
                yield from cells if isinstance(cells, list) else ()
    if not there:
        raise NotThisFormat("This is JSON, but no notebook: it has no list of cells.")


def _cell(number: int, cell: Any) -> tuple[str, str]:
    """A cell's kind and text. Raises NotThisFormat."""
    if not isinstance(cell, dict):
        raise NotThisFormat(f"Cell {number} of the notebook is not an object.")
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(part, str) for part in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise NotThisFormat(f"The source of cell {number} of the notebook is not text.")
    return str(cell.get("cell_type", "")), source


def without_magics(cell: str) -> tuple[str, list[str]]:
    """The cell as Python, and the lines that were made comments.

    A cell that is Python as it stands is left alone: there a % at a line's start divides.
    """
    if _OTHER_CELL.match(cell):
        lines = cell.rstrip("\n").split("\n")
        return "\n".join(f"# {line}".rstrip() for line in lines), [lines[0].strip()]
    if len(cell) > MOST_PARSED or parses(cell):
        return cell, []
    kept, aside = [], []
    for line in cell.split("\n"):
        magic = _MAGIC.match(line)
        if magic is None:
            kept.append(line)
            continue
        # Within a block something must stand in its place.
        stand_in = "pass  " if magic["indent"] else ""
        kept.append(f"{magic['indent']}{stand_in}# {magic['text']}")
        aside.append(magic["text"].strip())
    return "\n".join(kept), aside
