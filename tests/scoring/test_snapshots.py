"""Snapshots: whole and byte for byte, or a sentence and nothing stored."""

import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction

from curation.enums import MemberRole
from curation.importers.snapshots import SnapshotRefused, recognises, restore
from curation.models import (
    AuditEvent,
    Category,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
    Subcategory,
)
from curation.permissions import access_to
from curation.services import comments, ledger, review, steps
from curation.services.steps import StepText
from curation.services.undo import UndoRefused, can_undo, undo
from executor.models import Run, Verdict
from executor.services import request_run
from scoring.exporters import make
from scoring.snapshots import fields
from scoring.snapshots.compare import compare
from scoring.snapshots.records import records
from tests.factories import DRAFT, FIXED, make_dataset, make_draft, make_example, make_user
from tests.scoring.judged import FAILED, PASSED, judge, repaired

pytestmark = pytest.mark.django_db


def make_rich(slug: str = "rich") -> Dataset:
    """A dataset with one of everything that a snapshot holds."""
    ann, ben = make_user("ann"), make_user("ben")
    category = Category.objects.create(slug="shape", name="Shape", description="Wrong shapes")
    sub = Subcategory.objects.create(category=category, slug="length", name="Length")
    dataset = make_dataset(slug, by=ann)
    Dataset.objects.filter(pk=dataset.pk).update(licence="CC0-1.0", source="A book")
    example = make_example(dataset, by=ann)
    Example.objects.filter(pk=example.pk).update(contract={"kind": "program", "seed": 1})
    example.refresh_from_db()
    example.attachments.create(name="data.csv", content=b"1,2\r\n\x00\xff")
    draft = make_draft(example=example, by=ann)
    judge(draft, DRAFT, FAILED)
    text = StepText(
        error="Ü “quoted”\r\n", traceback="T", fix_info="=1+1", category=category, subcategory=sub
    )
    first = steps.save_step(draft, base=0, code=f"{FIXED}# one\n", text=text, by=ben)
    second = steps.save_step(draft, base=1, code=f"{FIXED}# two\n", text=StepText(), by=ann)
    ledger.move_step(second, to=1, by=ben)
    judge(draft, draft.revisions.order_by("-number")[0].code, PASSED)
    judge(draft, "import jax  # a working copy\n", FAILED)
    comments.add_comment(draft, text="Why?", step=FixStep.objects.get(pk=first.pk), by=ben)
    draft.refresh_from_db()
    review.act(draft, review.ACTIONS["submit"], by=ann)
    request_run(example, "still_queued = 1\n", draft=draft, by=ben)
    # Another example, without a draft; a draft that was never run.
    make_example(dataset, by=ben)
    make_draft("x = 1\n", example=make_example(dataset), by=None)
    return dataset


_made: list[bytes] = []


@pytest.fixture
def rich() -> bytes:
    """The snapshot of `make_rich`, in an empty server; it is made once."""
    if not _made:
        _made.append(content_of(make_rich()))
        empty_the_server()
    return _made[0]


def content_of(dataset: Dataset) -> bytes:
    (file,) = make("snapshot", dataset).files
    return b"".join(file.read())


def empty_the_server() -> None:
    for model in (Verdict, Run, Dataset, AuditEvent, User):
        model.objects.all().delete()
    Category.ever.all().delete()


def test_a_snapshot_in_an_empty_server_gives_the_same_snapshot(tmp_path: Path) -> None:
    dataset = make_rich()
    out = io.StringIO()
    call_command("export_dataset", "rich", format="snapshot", out=tmp_path, stdout=out)
    path = tmp_path / "rich-snapshot.zip"
    assert out.getvalue().splitlines() == [
        str(path),
        "3 examples, 2 steps.",
        "Left out: 1 unfinished runs.",
    ]
    assert recognises(path)
    before = path.read_bytes()
    run = Run.objects.filter(verdict__outcome="pass").values("code", "contract_hash").get()
    was = dataset.examples.get(position=0)
    empty_the_server()
    out = io.StringIO()
    call_command("import_dataset", str(path), dataset="rich", stdout=out)
    assert out.getvalue().splitlines() == [
        "rich: 3 examples, 2 steps restored.",
        "People who had no account here got one that cannot sign in: ann, ben.",
    ]
    restored = Dataset.objects.get(slug="rich")
    assert restored.pk != dataset.pk
    assert content_of(restored) == before
    # What matters is there, not only the same twice.
    example = restored.examples.get(position=0)
    assert (example.created_at, example.contract) == (was.created_at, was.contract)
    assert bytes(example.attachments.get().content) == b"1,2\r\n\x00\xff"
    draft = example.drafts.get()
    assert draft.status == "verified" and draft.submitted_by == User.objects.get(username="ann")
    assert [step.author.username for step in draft.steps.order_by("order")] == ["ann", "ben"]  # type: ignore[union-attr]
    assert draft.comments.get().step == draft.steps.get(order=2)
    assert Run.objects.filter(verdict__outcome="pass").values("code", "contract_hash").get() == run
    assert not User.objects.get(username="ann").is_active
    assert AuditEvent.objects.filter(action="step.saved", actor__username="ben").count() == 1
    # A second time nothing happens.
    out = io.StringIO()
    call_command("import_dataset", str(path), dataset="rich", stdout=out)
    assert out.getvalue() == "rich: the same as the snapshot; nothing was changed.\n"


@pytest.mark.django_db(transaction=True)
def test_it_is_the_same_within_a_transaction_and_whatever_the_server_calls_noon() -> None:
    dataset = make_rich()
    with transaction.atomic():
        at_once = content_of(dataset)
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET TimeZone TO 'Asia/Tokyo'")
        try:
            assert content_of(dataset) == at_once
        finally:
            cursor.execute(f"ALTER DATABASE {name} RESET TimeZone")


def test_a_repair_may_be_older_than_the_draft_that_it_repairs() -> None:
    example = make_example(make_dataset("mine"))
    repair, original = make_draft(example=example), make_draft(example=example)
    Draft.objects.filter(pk=repair.pk).update(original=original)
    ((own,),) = records(example.dataset, 5)
    assert [draft["original"] for draft in own.record["drafts"]] == [2, None]


def test_a_dry_run_says_the_same_and_writes_nothing(rich: bytes) -> None:
    restored = restore(io.BytesIO(rich), "rich", by=None, dry_run=True)
    assert restored.lines()[0] == "rich: 3 examples, 2 steps would be restored."
    assert not Dataset.objects.exists() and not User.objects.exists()


def test_whoever_brings_it_is_its_admin_and_the_people_in_it_have_no_say(rich: bytes) -> None:
    boss = make_user("boss")
    restore(io.BytesIO(rich), "copy", by=boss, dry_run=False)
    dataset = Dataset.objects.get(slug="copy")
    assert access_to(boss, dataset).role == MemberRole.ADMIN
    assert access_to(User.objects.get(username="ann"), dataset).role is None


def test_what_was_done_elsewhere_is_not_taken_back_here(rich: bytes) -> None:
    boss = make_user("boss")
    restore(io.BytesIO(rich), "copy", by=boss, dry_run=False)
    access = access_to(boss, Dataset.objects.get(slug="copy"))
    events = AuditEvent.objects.filter(dataset__slug="copy", draft_pk__isnull=False)
    assert events.exclude(action="dataset.restored").count() >= 3
    for event in events:
        assert not can_undo(event, access, boss)
        with pytest.raises(UndoRefused):
            undo(event, access=access, by=boss)


def test_blind_repairs_stay_until_all_are_in() -> None:
    dataset = make_dataset("mine")
    draft = repaired(make_example(dataset))
    Draft.objects.create(example=draft.example, original=draft, blind=True)
    (file,) = (export := make("snapshot", dataset)).files
    content = b"".join(file.read())
    assert export.tally.left_out == {"blind repairs that are still under way (drafts)": 1}
    line = examples_of(content)[0]
    assert len(line["drafts"]) == 1


def test_other_content_is_never_overwritten(rich: bytes) -> None:
    make_draft(example=make_example(make_dataset("other")))
    with pytest.raises(SnapshotRefused, match="other holds other examples already"):
        restore(io.BytesIO(rich), "other", by=None, dry_run=False)


def examples_of(content: bytes) -> list[dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [json.loads(line) for line in archive.read(fields.EXAMPLES).splitlines()]


def changed(content: bytes, change: Callable[[list[Any]], Any]) -> io.BytesIO:
    """The snapshot with other examples, its hashes made right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    raw = [json.loads(line) for line in members[fields.EXAMPLES].splitlines()]
    change(raw)
    body = "".join(json.dumps(each) + "\n" for each in raw).encode()
    members[fields.EXAMPLES] = body
    manifest = json.loads(members[fields.MANIFEST])
    manifest["files"][fields.EXAMPLES] = {
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
    }
    members[fields.MANIFEST] = json.dumps(manifest).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    out.seek(0)
    return out


def put(path: str, value: Any) -> Callable[[list[Any]], None]:
    """Set the value at a path such as `0/drafts/0/status`."""

    def change(raw: list[Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        at: Any = raw
        for part in way:
            at = at[part]
        at[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("0/pytorch_code", 5, "pytorch_code is not text"),
        ("0/pytorch_code", "a\0b", "character that no database text can"),
        ("0/title", "\ud800", "character that no database text can"),
        ("0/title", "x" * 400, "title holds"),
        ("0/difficulty", "brutal", "difficulty holds"),
        ("0/created_at", "yesterday", "created_at holds"),
        ("0/position", -1, "position holds"),
        ("0/contract", {"kind": "nonsense"}, "contract: "),
        ("0/drafts", None, "drafts is missing"),
        ("0/drafts/0", [], "no object"),
        ("0/drafts/0/status", "done", "status holds"),
        ("0/drafts/0/approved_by", 7, "name is not text"),
        ("0/drafts/0/original", 9, "original names the draft 9"),
        ("0/drafts/0/revisions", [], "no revision 0"),
        ("0/drafts/0/revisions/1/number", 0, "Two revisions have the number 0"),
        ("0/drafts/0/steps/0/category", "nope", "The category nope"),
        ("0/drafts/0/steps/0/after", 99, "names the revision 99"),
        ("0/drafts/0/steps/0/order", None, "order is empty"),
        ("0/drafts/0/steps/0/span_end", 10**30, "span_end holds"),
        ("0/drafts/0/comments/0/text", "", "the database refused"),
        ("0/runs/0/code_hash", "0" * 64, "code of a run is missing"),
        ("0/runs/0/verdict", None, "no object"),
        ("0/runs/0/verdict/outcome", "fine", "outcome holds"),
        ("0/runs/0/verdict/report", "\0", "the database refused"),
        ("0/history/0/draft", "first", "draft names the draft first"),
        ("0/files/0/name", "../x", "data file ../x is missing"),
        ("1/example_id", None, "example_id is empty"),
    ],
)
def test_a_broken_record_ends_in_a_sentence_and_nothing_is_stored(
    rich: bytes, path: str, value: Any, says: str
) -> None:
    with pytest.raises(SnapshotRefused, match=says) as refused:
        restore(changed(rich, put(path, value)), "rich", by=None, dry_run=False)
    assert "examples.jsonl, line" in str(refused.value)
    for model in (Dataset, User, Category, Example, AuditEvent):
        assert not model.objects.exists()


def test_a_broken_file_ends_in_a_sentence(rich: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for cut in (len(rich) // 2, len(rich) - 5):
        path.write_bytes(rich[:cut])
        assert not recognises(path)
        with pytest.raises(SnapshotRefused, match="broken"):
            restore(path, "rich", by=None, dry_run=False)
    # One bit of the examples is another, which only the hash can tell.
    flipped = bytearray(rich)
    flipped[len(rich) // 3] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(SnapshotRefused, match=r"broken|not what the manifest says"):
        restore(path, "rich", by=None, dry_run=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": "t2j-snapshot", "files": {}}))
    with pytest.raises(CommandError, match="format is None"):
        call_command("import_dataset", str(path), dataset="rich", stdout=io.StringIO())
    assert not Dataset.objects.exists()


def test_a_file_more_or_less_than_the_manifest_says_is_refused(rich: bytes) -> None:
    more = io.BytesIO(rich)
    with zipfile.ZipFile(more, "a") as archive:
        archive.writestr("files/../evil", b"x")
    with pytest.raises(SnapshotRefused, match="does not name exactly"):
        restore(more, "copy", by=None, dry_run=False)


# What stays on its server, by model.
LEFT_BEHIND = {
    Dataset: {"slug", "everyone", "times_shown"},
    Category: {"edited", "retired"},
    Subcategory: {"edited", "retired"},
    Example: set(),
    Draft: {"lease_until", "blind"},
    Revision: {"sha256"},
    FixStep: set(),
    Comment: set(),
    Run: {"state", "worker", "claim", "due_at", "sent_at", "heartbeat_at", "code"},
    Verdict: set(),
    AuditEvent: {"target_id", "data"},
}
NAMES = {
    Dataset: fields.OF_DATASET,
    Category: fields.OF_CATEGORY,
    Subcategory: fields.OF_CATEGORY,
    Example: fields.OF_EXAMPLE,
    Draft: fields.OF_DRAFT,
    Revision: fields.OF_REVISION,
    FixStep: fields.OF_STEP,
    Comment: fields.OF_COMMENT,
    Run: fields.OF_RUN,
    Verdict: fields.OF_VERDICT,
    AuditEvent: fields.OF_EVENT,
}


def test_every_field_is_in_the_snapshot_or_stays_behind_on_purpose() -> None:
    for model, names in NAMES.items():
        plain = {
            field.name
            for field in model._meta.concrete_fields
            if not isinstance(field, models.ForeignKey | models.BigAutoField)
        }
        assert plain - {"draft_pk"} == set(names) | LEFT_BEHIND[model], model.__name__
    assert apps.get_model("curation", "Draft") in NAMES


def test_what_is_different_between_two_snapshots(tmp_path: Path) -> None:
    dataset = make_dataset("mine")
    category = Category.objects.create(slug="shape", name="Shape")
    one = repaired(make_example(dataset), last=None, category=category)
    gone = make_example(dataset)
    same = make_example(dataset)
    before, after = tmp_path / "1.zip", tmp_path / "2.zip"
    before.write_bytes(content_of(dataset))
    judge(one, FIXED, PASSED)
    steps.save_step(one, base=1, code=f"{FIXED}# more\n", text=StepText(), by=None)
    judge(one, f"{FIXED}# more\n", FAILED)
    gone.delete()
    new = make_example(dataset)
    after.write_bytes(content_of(dataset))
    found = compare(before, after)
    assert (found.added, found.removed) == ([new.example_id], [gone.example_id])
    (change,) = found.changed
    assert change.example_id == one.example.example_id != same.example_id
    assert change.what == (
        "repaired code",
        "steps: 1 → 2, 1 new or changed",
        "categories",
        "verdict: none → fail",
    )
    assert [(each.name, each.before, each.after) for each in found.totals] == [
        ("Examples", 3, 3),
        ("Steps", 1, 2),
    ]
    counts = {each.name: each.change for each in found.categories}
    assert counts == {"Shape": 0, "No category": 1}
    assert {each.name: (each.before, each.after) for each in found.verdicts} == {
        "none": (3, 2),
        "fail": (0, 1),
    }
    assert compare(after, after).nothing


@pytest.mark.parametrize(
    ("seconds", "strength"),
    [
        (0.0, None),
        (1.0, 0.1),
        (12.5, 1e-07),
        (3e15, 1e16),
        (1.5e300, 123456789.123),
        (0.0001, -2.0),
    ],
)
def test_records_hold_what_the_database_does(seconds: float, strength: float) -> None:
    when = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    odd = {"π": [1.0, 1e-07, 0.10, 12345678901234567890, None, True], "a\\": '\x01\x7f"\u2028\n'}
    text = "".join(map(chr, range(1, 256))) + "π\u2028𝄞"
    example = make_example(make_dataset("mine"))
    Run.objects.create(
        **{"example": example, "code": text, "code_hash": "0" * 64, "contract_hash": "1" * 64},
        **{"runtime": "jax", "state": "finished", "note": text},
        **{"started_at": when.replace(microsecond=120000), "finished_at": when},
    )
    Verdict.objects.create(
        **{"run": Run.objects.get(), "outcome": "pass", "message": text, "report": odd},
        **{"seconds": seconds, "strength": strength},
    )
    ((own,),) = records(example.dataset, 5)
    (run,) = json.loads(orjson.dumps(own.record))["runs"]
    assert run["code"] == text
    for model, names, found in (
        (Run, fields.OF_RUN, run),
        (Verdict, fields.OF_VERDICT, run["verdict"]),
    ):
        wanted = model.objects.get()
        # Not as text: the database drops zeros at the end of a second's parts.
        assert fields.read_values(model, found, names) == {
            name: getattr(wanted, name) for name in names
        }
