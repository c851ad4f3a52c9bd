"""Importing files: what is stored, what is said, and that nothing is stored twice."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from curation.enums import Difficulty, DraftStatus, Located, Origin, StepKind
from curation.importers.report import Report
from curation.importers.source import MemorySource, PathSource, find_sources, unpacked
from curation.models import Attachment, AuditEvent, Category, Dataset, Example, FixStep, Subcategory
from curation.records import record_of
from curation.services import steps
from curation.services.imports import import_files
from curation.services.steps import StepText
from tests.curation import dirty, fuzz
from tests.factories import make_dataset, make_user

pytestmark = pytest.mark.django_db


def bring(data: Any, dataset: Dataset | None = None, name: str = "f.json", **more: Any) -> Report:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    source = MemorySource(name, content, more.pop("beside", {}))
    return import_files(dataset or make_dataset(), [source], by=None, **more)


def sentences(report: Report) -> list[str]:
    return [str(note) for note in report.notes]


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"data": x}])
def test_every_step_of_a_dirty_file_is_kept_and_located(wrap: Callable[[Any], Any]) -> None:
    dataset = make_dataset()
    report = bring(wrap(dirty.EXAMPLES), dataset)
    assert (report.new, report.refused, report.complete) == (3, 0, True)
    chained = FixStep.objects.filter(draft__example__example_id="e1")
    assert [
        {
            "Error_Code": s.error_code,
            "Error": s.error,
            "Fix_info": s.fix_info,
            "Fixed_Code": s.fixed_code,
        }
        for s in chained
    ] == dirty.CHAINED["Errors"]
    found = {kind.value: chained.filter(located=kind).count() for kind in Located}
    assert found == dirty.LOCATED
    assert [s.after.number if s.after else None for s in chained] == [1, 2, 3] + [None] * 6


def test_replayed_steps_make_revisions_and_the_fixed_output_is_the_last() -> None:
    bring([dirty.CHAINED])
    draft = Example.objects.get().drafts.get()
    assert draft.raw_answer == dirty.DRAFT
    assert draft.status == DraftStatus.REPAIRING
    revisions = list(draft.revisions.order_by("number"))
    assert [r.origin for r in revisions] == [
        Origin.DRAFT,
        Origin.STEP,
        Origin.STEP,
        Origin.STEP,
        Origin.FINAL,
    ]
    assert revisions[0].code == dirty.DRAFT
    assert revisions[4].code == dirty.FIXED
    for step in draft.steps.exclude(after=None):
        assert step.before is not None and step.after is not None
        before = step.before.code
        assert before[step.span_start : step.span_end] == step.error_code
        assert before.replace(step.error_code, step.fixed_code) == step.after.code


def test_what_did_not_anchor_is_said_by_file_record_and_field() -> None:
    said = sentences(bring([dirty.CHAINED, dirty.UNCHAINED, dirty.ELIDED]))
    assert said == [
        "f.json, record “e1”, step 4, Error_Code: Error_Code stands in several places of the code "
        "before it: kept, not replayed.",
        "f.json, record “e1”, step 5, Error_Code: Error_Code stands in the code before it with "
        "other white space or comments: kept, not replayed.",
        "f.json, record “e1”, step 6, Error_Code: Error_Code stands neither in the draft nor in "
        "the code before it: kept, not replayed.",
        "f.json, record “e1”, step 7, Error_Code: Error_Code stands neither in the draft nor in "
        "the code before it: kept, not replayed.",
        "f.json, record “e1”, step 8, Error_Code: Error_Code is empty: kept, not replayed.",
        "f.json, record “e1”, step 9, Error_Code: Error_Code quotes the PyTorch input, not the "
        "draft: kept, not replayed.",
        "f.json, record “e1”, LLM_fix_output: The steps explain 5 of the 7 lines in which the "
        "fixed output differs from the draft.",
        "f.json, record “m1”, step 2, Error_Code: Error_Code stands in the draft, not the code "
        "after the steps before: kept, not replayed.",
        "f.json, record “m1”, LLM_fix_output: The steps explain 2 of the 7 lines in which the "
        "fixed output differs from the draft.",
        "f.json, record “h1”, Input_Code: Kept as not runnable. Code was left out at line 2: "
        "# ... (Data Gen) ...",
    ]


def test_a_step_found_in_the_draft_alone_points_there() -> None:
    bring([dirty.UNCHAINED])
    step = FixStep.objects.get(order=2)
    assert step.before is not None
    assert (step.located, step.before.number, step.after) == (Located.EXACT, 0, None)


def test_steps_about_the_input_count_as_bugs_of_the_reference() -> None:
    bring([dirty.CHAINED])
    assert FixStep.objects.get(located=Located.TARGETS_INPUT).kind == StepKind.REFERENCE
    assert FixStep.objects.exclude(kind=StepKind.BEHAVIOUR).count() == 1


def test_a_program_that_cannot_run_is_kept_with_the_reason() -> None:
    bring([dirty.ELIDED])
    example = Example.objects.get()
    assert example.not_runnable == "Code was left out at line 2: # ... (Data Gen) ..."
    assert example.drafts.get().revisions.get().code == dirty.ELIDED["LLM_weak_output"]


def test_the_same_file_twice_changes_nothing() -> None:
    dataset = make_dataset()
    bring(dirty.EXAMPLES, dataset)
    events = AuditEvent.objects.count()
    report = bring(dirty.EXAMPLES, dataset)
    assert (report.new, report.same, report.refused) == (0, 3, 0)
    assert sentences(report) == []
    assert AuditEvent.objects.count() == events


def test_the_same_file_is_the_same_after_people_went_on_working() -> None:
    dataset, person = make_dataset(), make_user()
    bring([dirty.CHAINED], dataset)
    draft = dataset.examples.get().drafts.get()
    code = dirty.FIXED + "# more\n"
    steps.save_step(draft, base=4, code=code, text=StepText(), by=person)
    assert bring([dirty.CHAINED], dataset).same == 1
    assert draft.steps.count() == 10


def test_a_changed_record_is_refused_where_nothing_may_be_changed() -> None:
    dataset = make_dataset("mine")
    bring([dirty.CHAINED], dataset)
    changed = dirty.CHAINED | {"Input_Code": "other"}
    report = bring([changed, dirty.UNCHAINED], dataset, update=False)
    assert (report.new, report.same, report.refused, report.complete) == (1, 0, 1, False)
    assert sentences(report)[0] == (
        "f.json, record “e1”: Dataset mine holds this Example_id with other content, which was "
        "left as it is. Give the record another Example_id, or import it into another dataset."
    )
    assert dataset.examples.get(example_id="e1").pytorch_code == dirty.REFERENCE


def test_a_changed_fixed_output_becomes_a_revision_of_the_same_draft() -> None:
    dataset = make_dataset()
    bring([dirty.CHAINED], dataset)
    changed = dirty.CHAINED | {"LLM_fix_output": dirty.FIXED + "# better\n"}
    dry = bring([changed], dataset, dry_run=True)
    assert (dry.changed, dry.new, dry.same) == (1, 0, 0)
    assert sentences(dry)[0].startswith("f.json, record “e1”: Would change: its draft.")
    report = bring([changed], dataset)
    assert (report.changed, report.refused) == (1, 0)
    assert sentences(report)[0] == (
        "f.json, record “e1”: Changed: LLM_fix_output, as revision 5. What was is kept in the "
        "history."
    )
    draft = dataset.examples.get().drafts.get()
    codes = list(draft.revisions.order_by("number").values_list("code", "origin"))
    assert codes[4:] == [(dirty.FIXED, Origin.FINAL), (dirty.FIXED + "# better\n", Origin.FINAL)]
    assert bring([changed], dataset).same == 1


def test_a_changed_repair_becomes_a_draft_beside_the_one_that_people_worked_on() -> None:
    dataset, person = make_dataset(), make_user()
    bring([dirty.CHAINED], dataset)
    draft = dataset.examples.get().drafts.get()
    code = dirty.FIXED + "# ours\n"
    steps.save_step(draft, base=4, code=code, text=StepText(), by=person)
    changed = dirty.CHAINED | {"LLM_fix_output": dirty.FIXED + "# theirs\n"}
    assert bring([changed], dataset).changed == 1
    assert bring([changed], dataset).same == 1
    assert [
        d.revisions.order_by("-number")[0].code for d in dataset.examples.get().drafts.all()
    ] == [
        code,
        dirty.FIXED + "# theirs\n",
    ]


def test_a_changed_program_is_taken_over_and_the_old_one_stays_in_the_history() -> None:
    dataset = make_dataset()
    bring([dirty.CHAINED], dataset)
    changed = dirty.CHAINED | {"Input_Code": "import torch\nprint(1)\n", "Licence": "MIT"}
    report = bring([changed], dataset)
    assert (report.changed, dataset.examples.get().licence) == (1, "MIT")
    event = AuditEvent.objects.get(action="example.changed")
    assert event.data["was"] == {"pytorch_code": dirty.REFERENCE, "licence": ""}
    assert dataset.examples.get().drafts.count() == 1
    assert bring([changed], dataset).same == 1
    # A file that says less changes nothing.
    assert bring([{"Example_id": "e1", "Input_Code": changed["Input_Code"]}], dataset).same == 1


def test_one_example_in_two_files_is_taken_from_the_first() -> None:
    dataset = make_dataset()
    texts = [dirty.ELIDED, dirty.ELIDED, dirty.ELIDED | {"Input_Code": "other"}]
    files = [MemorySource(f"{n}.json", json.dumps([text]).encode()) for n, text in enumerate(texts)]
    report = import_files(dataset, files, by=None)
    assert (report.new, report.same, report.refused) == (1, 1, 1)
    assert sentences(report)[-1] == (
        "2.json, record “h1”: This Example_id stands in 0.json, too; the first was taken."
    )


def test_how_far_the_steps_explain_the_fixed_output_is_measured() -> None:
    dataset = make_dataset()
    report = bring([dirty.CHAINED, dirty.UNCHAINED], dataset)
    said = [s for s in sentences(report) if "explain" in s]
    assert said == [
        "f.json, record “e1”, LLM_fix_output: The steps explain 5 of the 7 lines in which the "
        "fixed output differs from the draft.",
        "f.json, record “m1”, LLM_fix_output: The steps explain 2 of the 7 lines in which the "
        "fixed output differs from the draft.",
    ]
    assert report.explained == "50% (7 of 14 changed lines)"
    event = AuditEvent.objects.filter(action="example.imported").order_by("id")[0]
    assert event.data["lines"] == {"changed": 7, "explained": 5}


def test_a_duplicate_id_within_a_file_is_refused() -> None:
    report = bring([dirty.ELIDED, dirty.ELIDED])
    assert (report.new, report.same, report.refused) == (1, 0, 1)
    assert sentences(report)[-1] == (
        "f.json, record “h1”: This Example_id stands in the file more than once; "
        "the first was taken."
    )


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    wet = bring(dirty.EXAMPLES, make_dataset("wet"))
    before = (Dataset.objects.count(), Example.objects.count(), AuditEvent.objects.count())
    dry = bring([*dirty.EXAMPLES, dirty.ELIDED], Dataset(slug="dry", title="Dry"), dry_run=True)
    assert (dry.new, dry.refused, dry.steps, dry.replayed) == (3, 1, wet.steps, wet.replayed)
    assert sentences(dry)[:-1] == sentences(wet)
    after = (Dataset.objects.count(), Example.objects.count(), AuditEvent.objects.count())
    assert after == before


def test_a_new_dataset_is_made_with_its_first_record_only() -> None:
    bring(b"not json", Dataset(slug="new", title="New"))
    assert not Dataset.objects.exists()
    bring([dirty.ELIDED], Dataset(slug="new", title="New"))
    assert Dataset.objects.get().examples.count() == 1


def test_categories_are_found_by_name_or_slug_whatever_the_case() -> None:
    category = Category.objects.create(slug="api", name="API misuse")
    sub = Subcategory.objects.create(category=category, slug="wrong", name="Wrong argument")
    steps_ = [
        dirty.step("a", Category="api MISUSE", Subcategory="wrong argument"),
        dirty.step("a", Category="api", Subcategory="wrong"),
        dirty.step("a", Category="Gremlins", Subcategory="Small"),
        dirty.step("a", Category="api", Subcategory="Small"),
    ]
    report = bring([dirty.ELIDED | {"Errors": steps_}])
    assert list(FixStep.objects.values_list("category", "subcategory")) == [
        (category.pk, sub.pk),
        (category.pk, sub.pk),
        (None, None),
        (category.pk, None),
    ]
    said = [s for s in sentences(report) if "ategory:" in s]
    assert said == [
        "f.json, record “h1”, step 3, Category: “Gremlins” is not a known category: "
        "the step has none.",
        "f.json, record “h1”, step 4, Subcategory: “Small” is no known subcategory of "
        "“API misuse”: left empty.",
    ]
    assert report.complete


def test_extra_keys_are_stored() -> None:
    extra = {"Title": "T", "Difficulty": "HARD", "Source": "S", "Licence": "CC0-1.0"}
    bring([dirty.ELIDED | extra])
    example = Example.objects.get()
    assert (example.title, example.difficulty, example.source, example.licence) == (
        "T",
        Difficulty.HARD,
        "S",
        "CC0-1.0",
    )


def test_data_files_are_attached_now_or_later() -> None:
    dataset = make_dataset()
    data = [dirty.ELIDED | {"Attachments": ["data.csv"]}]
    report = bring(data, dataset)
    assert sentences(report)[0] == (
        "f.json, record “h1”, Attachments: data.csv did not come along. Put it beside the file "
        "and import again."
    )
    report = bring(data, dataset, beside={"data.csv": b"1,2\n"})
    assert (report.same, report.attachments) == (1, 1)
    assert bytes(Attachment.objects.get().content) == b"1,2\n"
    assert bring(data, dataset, beside={"data.csv": b"1,2\n"}).attachments == 0


def test_data_files_may_stand_in_the_record() -> None:
    bring([dirty.ELIDED | {"Files": {"data.csv": "1,2\n"}}])
    assert bytes(Attachment.objects.get().content) == b"1,2\n"


def test_data_files_on_disk_belong_to_their_example(tmp_path: Path) -> None:
    records = [dirty.ELIDED | {"Example_id": name, "Attachments": ["d.csv"]} for name in "ab"]
    (tmp_path / "f.json").write_text(json.dumps(records))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "d.csv").write_text("own")
    (tmp_path / "d.csv").write_text("shared")
    import_files(make_dataset(), [PathSource(tmp_path / "f.json", "f.json")], by=None)
    found = {a.example.example_id: bytes(a.content) for a in Attachment.objects.all()}
    assert found == {"a": b"own", "b": b"shared"}


def test_python_files_become_examples_named_after_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "conv.py").write_text("import torch\nprint(1)\n")
    (tmp_path / "broken.py").write_text("import torch\nprint(1\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / ".hidden.py").write_text("x = 1")
    (tmp_path / "readme.md").write_text("x = 1")
    dataset = make_dataset()
    report = import_files(dataset, find_sources([tmp_path]), by=None)
    assert (report.files, report.new, report.refused) == (3, 2, 1)
    assert list(dataset.examples.values_list("example_id", "not_runnable")) == [
        ("broken", "The program does not parse: line 2: '(' was never closed."),
        ("conv", ""),
    ]
    assert dataset.examples.get(example_id="conv").drafts.count() == 0


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("f.json", b'{"a": "\xff"}', "f.json: It is not UTF-8: byte 7 (line 1) is 0xFF."),
        ("f.json", b"\x00\x01", "f.json: It holds NUL characters"),
        ("f.json", b'[{"a": 1}]', "f.json: This is JSON, but not T2J's"),
        ("f.json", b'[{"Example_id"', "f.json: This is not whole JSON: line 1"),
        ("f.ipynb", b"", "f.ipynb: Its content is none of these: Jupyter notebook, "),
        ("f.bin", b"hello there", "f.bin: Its content is none of these: Jupyter notebook, "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_the_rest_goes_on(
    name: str, content: bytes, sentence: str
) -> None:
    good = MemorySource("good.json", json.dumps([dirty.ELIDED]).encode())
    report = import_files(make_dataset(), [MemorySource(name, content), good], by=None)
    assert (report.files_refused, report.new, report.complete) == (1, 1, False)
    assert sentences(report)[0].startswith(sentence)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, settings: Settings) -> None:
    settings.T2J_IMPORT_BYTES = 1024 * 1024
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    report = import_files(make_dataset(), find_sources([huge, tmp_path / "none.json"]), by=None)
    assert [note.message for note in report.notes] == [
        "It is larger than may be read (200.0 MB, the limit is 1 MB). Split it, or raise "
        "T2J_IMPORT_BYTES.",
        "It cannot be read: No such file or directory.",
    ]


def test_the_audit_trail_tells_of_the_import() -> None:
    person = make_user()
    data = MemorySource("f.json", json.dumps([dirty.ELIDED]).encode())
    import_files(make_dataset(), [data], by=person)
    event = AuditEvent.objects.get(action="example.imported")
    assert (event.actor, event.data["file"]) == (person, "f.json")


def test_a_stored_example_reads_back_as_the_record_it_came_from() -> None:
    bring([dirty.CHAINED])
    example = Example.objects.get()
    record = record_of(example)
    assert (record.draft_code, record.final_code) == (dirty.DRAFT, dirty.FIXED)
    assert [step.error_code for step in record.steps] == [
        step["Error_Code"] for step in dirty.CHAINED["Errors"]
    ]


def test_queries_per_record_do_not_grow_with_steps(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    dataset = make_dataset()
    with django_assert_max_num_queries(20):
        bring([dirty.CHAINED], dataset)


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_store_it_once() -> None:
    records = [dirty.UNCHAINED | {"Example_id": f"e{number}"} for number in range(8)]
    start = threading.Barrier(2)

    def one() -> Report:
        try:
            dataset = Dataset(slug="both", title="Both")
            sources = [MemorySource("f.json", json.dumps(records).encode())]
            start.wait(timeout=30)
            return import_files(dataset, sources, by=None)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        reports = [future.result() for future in [pool.submit(one), pool.submit(one)]]
    assert sum(report.new for report in reports) == 8
    assert sum(report.same for report in reports) == 8
    assert all(report.complete for report in reports)
    assert Example.objects.count() == 8
    assert FixStep.objects.count() == 16


def test_outputs_of_models_become_drafts_of_examples_that_are_there() -> None:
    dataset = make_dataset("mine")
    pairs = MemorySource("p.jsonl", fuzz.lines(fuzz.PAIRS))
    answers = [*fuzz.OUTPUTS, {"id": "nowhere", "model": "m", "jax_code": "x"}]
    outputs = MemorySource("o.jsonl", fuzz.lines(answers))
    new = Dataset(slug="dry", title="Dry")
    dry = import_files(new, [pairs, outputs], by=None, dry_run=True)
    wet = import_files(dataset, [pairs, outputs], by=None)
    assert (dry.new, dry.drafts, dry.refused) == (wet.new, wet.drafts, wet.refused) == (4, 2, 1)
    assert sentences(wet)[-1] == (
        "o.jsonl, record “nowhere”: Dataset mine has no such example: import its program first."
    )
    first, second = dataset.examples.get(example_id="kb_1").drafts.order_by("pk")
    assert (first.model, second.model) == ("", "m")
    assert (second.raw_answer, second.revisions.get().code) == (fuzz.ANSWER, dirty.DRAFT)
    again = import_files(dataset, [pairs, outputs], by=None)
    assert (again.new, again.drafts, again.same) == (0, 0, 6)


def test_records_of_one_batch_are_refused_alone_by_the_database() -> None:
    rows = [dirty.ELIDED | {"Example_id": f"e{n}"} for n in range(3)]
    dataset = make_dataset()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE curation_example ADD CONSTRAINT t CHECK (example_id <> 'e1')")
    report = bring(rows, dataset)
    assert (report.new, report.refused) == (2, 1)
    assert list(dataset.examples.values_list("example_id", flat=True)) == ["e0", "e2"]


def test_many_new_records_take_few_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    dataset = make_dataset()
    rows = [dirty.UNCHAINED | {"Example_id": f"e{n}"} for n in range(150)]
    with django_assert_max_num_queries(20):
        assert bring(rows, dataset).new == 150
    with django_assert_max_num_queries(10):
        assert bring(rows, dataset).same == 150


def test_a_notebook_brings_its_data_file_from_a_zip() -> None:
    files = {"a/hard/line.ipynb": json.dumps(fuzz.NOTEBOOK).encode(), "a/hard/d.csv": b"1,2"}
    dataset = make_dataset()
    report = import_files(dataset, unpacked(MemorySource("z.zip", fuzz.zipped(files))), by=None)
    assert (report.files, report.files_ignored, report.new, report.attachments) == (1, 1, 1, 1)
    example = dataset.examples.get()
    assert (example.example_id, example.difficulty) == ("line", Difficulty.HARD)
    assert bytes(example.attachments.get().content) == b"1,2"
