"""Reading T2J JSON: every dialect, and whatever else people call T2J JSON."""

import json
from typing import Any

import pytest

from curation.importers import find_format
from curation.importers.base import Content, NotThisFormat
from curation.importers.report import Note
from curation.importers.t2j_json import T2JJson
from curation.records import Record, StepRecord

STEP = {"Error_Code": "a", "Error": "AttributeError.", "Fix_info": "why", "Fixed_Code": "b"}
EXAMPLE = {
    "Example_id": "e1",
    "Input_Code": "import torch\n",
    "LLM_weak_output": "a\n",
    "LLM_fix_output": "b\n",
    "Errors": [STEP],
}
RECORD = Record(
    example_id="e1",
    pytorch_code="import torch\n",
    draft_code="a\n",
    final_code="b\n",
    steps=(StepRecord("a", "AttributeError.", "why", "b"),),
)


def read(data: Any) -> list[Record | Note]:
    text = data if isinstance(data, str) else json.dumps(data)
    return list(T2JJson().read(Content("f.json", text)))


def sentences(data: Any) -> list[str]:
    return [str(item) for item in read(data) if isinstance(item, Note)]


@pytest.mark.parametrize(
    "data",
    [
        {"Pytorch_to_JAX_Examples": [EXAMPLE]},
        {"data": [EXAMPLE]},
        {"data": [EXAMPLE], "version": 2},
        {"anything": [EXAMPLE]},
        [EXAMPLE],
        EXAMPLE,
        [{key.lower(): value for key, value in EXAMPLE.items()}],
        [{k.replace("LLM_fix_output", "LLM_weak_fix"): v for k, v in EXAMPLE.items()}],
    ],
)
def test_every_dialect_says_the_same(data: Any) -> None:
    assert read(data) == [RECORD]


def test_empty_and_missing_fields_are_empty() -> None:
    assert read([{"Example_id": "e1", "LLM_weak_output": None, "Errors": [{}]}]) == [
        Record(example_id="e1", pytorch_code="", steps=(StepRecord(),))
    ]


def test_our_own_keys_are_read() -> None:
    step = STEP | {"Category": "API misuse", "Subcategory": "Wrong argument", "Kind": "Format"}
    extra = {"Title": "T", "Difficulty": "Hard", "Source": "S", "License": "CC0-1.0"}
    (found,) = read([EXAMPLE | {"Errors": [step], "Files": {"data.csv": "1,2\n"}} | extra])
    assert isinstance(found, Record)
    assert (found.title, found.difficulty, found.source, found.licence) == (
        "T",
        "hard",
        "S",
        "CC0-1.0",
    )
    assert found.steps[0].category == "API misuse"
    assert found.steps[0].subcategory == "Wrong argument"
    assert found.steps[0].kind == "format"
    assert (found.attachments, found.files) == (("data.csv",), {"data.csv": "1,2\n"})


def test_unknown_keys_are_said_once_for_the_file() -> None:
    data = [EXAMPLE | {"Example_id": "e1", "Mood": 1}, EXAMPLE | {"Example_id": "e2", "Mood": 2}]
    assert sentences(data) == ["f.json: The key “Mood” is not known: left out (2 times)."]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Input_Code": 5}, "record “e1”, Input_Code: It is a number, not text."),
        ({"Input_Code": ["a"]}, "record “e1”, Input_Code: It is a list, not text."),
        ({"Title": True}, "record “e1”, Title: It is true or false, not text."),
        ({"Errors": {"a": 1}}, "record “e1”, Errors: It is an object, not a list of steps."),
        ({"Errors": ["x"]}, "record “e1”, step 1: It is text, not an object with Error_Code."),
        (
            {"Errors": [STEP, STEP | {"Error": 1.5}]},
            "record “e1”, step 2, Error: It is a number, not text.",
        ),
        (
            {"LLM_weak_output": "a\0b"},
            "record “e1”, LLM_weak_output: It holds a NUL character, which no database text can. "
            "Remove it.",
        ),
        (
            {"Errors": [STEP | {"Fixed_Code": "\ud800"}]},
            "record “e1”, step 1, Fixed_Code: It holds half a character (U+D800). Replace it.",
        ),
        (
            {"Example_id": "e" * 201},
            f"record “{'e' * 60}…”, Example_id: It is longer than 200 characters.",
        ),
        (
            {"Example_id": ""},
            "record number 1, Example_id: It is missing or empty; every example needs its own.",
        ),
        (
            {"Attachments": ["../x"]},
            "record “e1”, Attachments: “../x” is not a plain file name such as data.csv.",
        ),
    ],
)
def test_a_record_that_cannot_be_stored_is_refused_alone(
    change: dict[str, Any], sentence: str
) -> None:
    first, second = read([EXAMPLE | change, EXAMPLE | {"Example_id": "e9"}])
    assert isinstance(first, Note)
    assert first.refused
    assert str(first) == f"f.json, {sentence}"
    assert isinstance(second, Record)
    assert second.example_id == "e9"


def test_odd_values_are_left_empty_and_said() -> None:
    found = read([EXAMPLE | {"Difficulty": "brutal", "Errors": [STEP | {"Kind": "odd"}]}])
    assert [str(item) for item in found[:2]] == [
        "f.json, record “e1”, step 1, Kind: “odd” is not behaviour, format or reference: "
        "left empty.",
        "f.json, record “e1”, Difficulty: “brutal” is not easy, medium or hard: left empty.",
    ]
    assert found[2] == RECORD


def test_keys_that_stand_there_twice_are_said() -> None:
    text = '[{"Example_id": "e1", "Input_Code": "a", "Input_Code": "b"}]'
    assert sentences(text) == [
        "f.json, record “e1”, Input_Code: The key stands there more than once; "
        "the last one was taken."
    ]


def test_both_names_of_the_fixed_output_at_odds_are_said() -> None:
    assert sentences([EXAMPLE | {"LLM_weak_fix": "c\n"}]) == [
        "f.json, record “e1”, LLM_weak_fix: The file gives this twice, differently; "
        "the first was taken."
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[{"Example_id": "e1"', "This is not whole JSON: line 1, column 21"),
        ('[{"a": 1}]', "This is JSON, but not T2J's: no record has Example_id"),
        ('{"data": 3}', "This is JSON, but not T2J's: no list of examples"),
        ("[[]]", "This is JSON, but not T2J's: no record has Example_id"),
        ("[" * 200_000, "The JSON is nested too deeply to be read."),
        (f"[{'9' * 5000}]", "The JSON holds a value that cannot be read"),
    ],
)
def test_a_file_that_is_not_t2js_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(NotThisFormat) as caught:
        read(text)
    assert str(caught.value).startswith(sentence)


def test_an_empty_file_of_t2j_says_so() -> None:
    assert sentences({"Pytorch_to_JAX_Examples": []}) == ["f.json: The file holds no examples."]


@pytest.mark.parametrize(
    ("name", "text", "format_"),
    [
        ("noext", '\n [{"Example_id": "e"}]', "T2J JSON"),
        ("program.txt", "import torch\nprint(1)\n", "Python file"),
        ("broken.py", "import torch\nprint(1\n", "Python file"),
        ("notes.txt", "Please import this.", None),
    ],
)
def test_formats_are_found_by_content(name: str, text: str, format_: str | None) -> None:
    found = find_format(Content(name, text))
    assert (found.name if found else None) == format_
