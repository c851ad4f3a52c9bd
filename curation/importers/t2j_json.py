"""The fixed-bug JSON of the T2J paper, in every dialect that public files use.

A list of examples, bare or under a key ("Pytorch_to_JAX_Examples", "data"), or one example alone;
LLM_weak_fix for LLM_fix_output; our own Title, Difficulty, Source, Licence, and in a step Category,
Subcategory, Kind. Data files come by name (Attachments, a list) or as text (Files, an object).
Keys are read without regard to case. Texts are never changed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from curation.enums import Difficulty, StepKind
from curation.importers.base import MOST_RECORD_CHARACTERS, Content, NotThisFormat
from curation.importers.json_stream import parse, walk
from curation.importers.report import Note
from curation.importers.rows import as_values, first_row, rows
from curation.importers.source import MOST_ATTACHMENT_BYTES, PLAIN_NAME
from curation.importers.values import LONGEST, Refused, as_text, plain, quote, type_name
from curation.records import Record, StepRecord

WRAPPERS = ("pytorch_to_jax_examples", "data", "examples")
# Without one of these a record has nothing to do with T2J.
TELLING = {"example_id", "input_code", "llm_weak_output"}

RECORD_KEYS = {
    "example_id": "example_id",
    "input_code": "pytorch_code",
    "llm_weak_output": "draft_code",
    "llm_fix_output": "final_code",
    "llm_weak_fix": "final_code",
    "title": "title",
    "difficulty": "difficulty",
    "source": "source",
    "licence": "licence",
    "license": "licence",
    "approval_reason": "approval_reason",
}
STEP_KEYS = {
    "error_code": "error_code",
    "error": "error",
    "fix_info": "fix_info",
    "fixed_code": "fixed_code",
    "category": "category",
    "subcategory": "subcategory",
    "kind": "kind",
}
# Unknown keys that are named.
MOST_UNKNOWN = 200
# More than any person writes about one program; each is looked for in the code.
MOST_STEPS = 2_000
# Characters that are looked through to place a record's steps: about half a minute.
MOST_WORK = 20_000_000


class T2JJson:
    name = "T2J JSON"

    def recognises(self, content: Content) -> bool:
        return content.start.lstrip()[:1] in ("{", "[")

    def read(self, content: Content) -> Iterator[Record | Note]:
        number = 0
        unknown: Counter[str] = Counter()
        for number, raw in enumerate(_examples(content), start=1):
            if isinstance(raw, Note):
                yield raw
            else:
                yield from _read_record(content.name, number, raw, unknown)
        if not number:
            yield Note(content.name, "The file holds no examples.")
        for key, count in sorted(unknown.items()):
            times = "once" if count == 1 else f"{count} times"
            yield Note(content.name, f"The key {quote(key)} is not known: left out ({times}).")


@dataclass(slots=True)
class _Member:
    """What one key of the outermost object holds; number None is an outermost list."""

    number: int | None
    key: str = ""
    elements: int = 0
    examples: int = 0


def _examples(content: Content) -> Iterator[Any]:
    """The examples of a file, wherever in it they are.

    Raises:
        NotThisFormat: it is no JSON, or holds no list of examples.
    """
    if content.start.lstrip().startswith("{") and _is_example(first_row(content)):
        return as_values(rows(content))
    lists: list[_Member] = []
    keys: list[str] = []
    for piece in walk(content):
        if piece.starts_list:
            lists.append(_Member(piece.member, piece.key))
        elif piece.in_list:
            lists[-1].elements += 1
            lists[-1].examples += _is_example(piece.value)
        if piece.member is not None and not piece.in_list:
            keys.append(plain(piece.key))
    if TELLING & set(keys):
        if len(content.text) > MOST_RECORD_CHARACTERS:
            raise NotThisFormat("This one example is longer than a record may be.")
        return iter([parse(content.text)])
    chosen = _with_examples(lists, keys)
    return (
        piece.value for piece in walk(content) if piece.in_list and piece.member == chosen.number
    )


def _with_examples(lists: list[_Member], keys: list[str]) -> _Member:
    """The list that holds the examples."""
    named = [item for item in lists if item.number is None or plain(item.key) in WRAPPERS]
    alone = lists if len(keys) == 1 else []
    chosen = next(iter(named + alone), None)
    if chosen is None:
        raise NotThisFormat(
            "This is JSON, but not T2J's: no list of examples under “Pytorch_to_JAX_Examples”."
        )
    if chosen.elements and not chosen.examples:
        raise NotThisFormat(
            "This is JSON, but not T2J's: no record has Example_id, Input_Code or LLM_weak_output."
        )
    return chosen


def _is_example(item: Any) -> bool:
    return isinstance(item, dict) and bool(TELLING & {plain(key) for key in item})


def _read_record(
    file: str, number: int, raw: Any, unknown: Counter[str]
) -> Iterator[Record | Note]:
    name = f"number {number}"
    if not isinstance(raw, dict):
        message = f"It is {type_name(raw)}, not an object with Example_id and Input_Code."
        yield Note(file, message, record=name, refused=True)
        return
    given = _value(raw, "example_id")
    if isinstance(given, str | int) and str(given).strip():
        name = quote(str(given).strip())
    try:
        fields, notes = _texts(raw, RECORD_KEYS, unknown, skip={"errors", "attachments", "files"})
        steps, more = _steps(raw, unknown)
        files = _files(raw)
        record = replace(
            Record(example_id="", pytorch_code=""),
            steps=tuple(steps),
            attachments=tuple(sorted({*_attachments(raw), *files})),
            files=files,
            **fields,
        )
        notes += more + _check(record)
    except Refused as refusal:
        yield Note(file, str(refusal), record=name, field=refusal.field, refused=True)
        return
    for field, message in notes:
        yield Note(file, message, record=name, field=field)
    if record.difficulty.lower() not in Difficulty.values:
        record = replace(record, difficulty="")
    yield replace(record, difficulty=record.difficulty.lower())


def _check(record: Record) -> list[tuple[str, str]]:
    """Notes on odd values.

    Raises:
        Refused: the record cannot be stored.
    """
    if not record.example_id.strip():
        raise Refused("Example_id", "It is missing or empty; every example needs its own.")
    if len(record.steps) * (len(record.draft_code) + len(record.pytorch_code)) > MOST_WORK:
        raise Refused("Errors", "There are too many steps for code of that length.")
    for field, longest in LONGEST.items():
        if len(getattr(record, field, "")) > longest:
            raise Refused(field.capitalize(), f"It is longer than {longest} characters.")
    difficulty = record.difficulty.lower()
    if difficulty and difficulty not in Difficulty.values:
        message = f"{quote(record.difficulty)} is not easy, medium or hard: left empty."
        return [("Difficulty", message)]
    return []


def _texts(
    raw: Mapping[str, Any], keys: Mapping[str, str], unknown: Counter[str], skip: set[str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Known keys as texts, and notes; unknown keys are counted.

    Raises:
        Refused: a value is not text, or text that the database cannot store.
    """
    fields: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    for key in getattr(raw, "repeated", ()):
        notes.append((key, "The key stands there more than once; the last one was taken."))
    for key, value in raw.items():
        field = keys.get(plain(key))
        if field is None:
            if plain(key) not in skip and (key in unknown or len(unknown) < MOST_UNKNOWN):
                unknown[key] += 1
            continue
        text = as_text(key, value)
        if fields.get(field) and text and text != fields[field]:
            notes.append((key, "The file gives this twice, differently; the first was taken."))
        fields[field] = fields.get(field) or text
    return fields, notes


def _steps(
    raw: Mapping[str, Any], unknown: Counter[str]
) -> tuple[list[StepRecord], list[tuple[str, str]]]:
    errors = _value(raw, "errors")
    if errors is None:
        return [], []
    if not isinstance(errors, list):
        raise Refused("Errors", f"It is {type_name(errors)}, not a list of steps.")
    if len(errors) > MOST_STEPS:
        raise Refused("Errors", f"It holds {len(errors)} steps; at most {MOST_STEPS} are read.")
    steps, notes = [], []
    for order, error in enumerate(errors, start=1):
        where = f"step {order}"
        if not isinstance(error, dict):
            raise Refused(where, f"It is {type_name(error)}, not an object with Error_Code.")
        try:
            fields, found = _texts(error, STEP_KEYS, unknown, skip=set())
        except Refused as refusal:
            raise Refused(f"{where}, {refusal.field}", str(refusal)) from None
        notes += [(f"{where}, {field}", message) for field, message in found]
        kind = fields.get("kind", "").lower()
        if kind and kind not in StepKind.values:
            message = f"{quote(kind)} is not behaviour, format or reference: left empty."
            notes.append((f"{where}, Kind", message))
            kind = ""
        steps.append(StepRecord(**fields | {"kind": kind}))
    return steps, notes


def _attachments(raw: Mapping[str, Any]) -> list[str]:
    names = _value(raw, "attachments")
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused("Attachments", "It is not a list of file names.")
    for name in names:
        _check_name("Attachments", name)
    return names


def _files(raw: Mapping[str, Any]) -> dict[str, str]:
    files = _value(raw, "files")
    if files is None:
        return {}
    if not isinstance(files, dict):
        raise Refused("Files", f"It is {type_name(files)}, not an object of names and texts.")
    found = {}
    for name, text in files.items():
        _check_name("Files", name)
        try:
            found[name] = as_text(name, text, MOST_ATTACHMENT_BYTES)
        except Refused as refusal:
            raise Refused(f"Files, {name}", str(refusal)) from None
    return found


def _check_name(field: str, name: str) -> None:
    if not PLAIN_NAME.fullmatch(name) or len(name) > 100:
        raise Refused(field, f"{quote(name)} is not a plain file name such as data.csv.")


def _value(raw: Mapping[str, Any], wanted: str) -> Any:
    return next((value for key, value in raw.items() if plain(key) == wanted), None)
