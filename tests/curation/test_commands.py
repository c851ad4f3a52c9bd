"""Commands that fill the database."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from curation.models import AuditEvent, Category, Dataset, FixStep, Subcategory
from curation.services.review import ACTIONS, act
from tests.curation import dirty

pytestmark = pytest.mark.django_db


def call(*arguments: Any, **options: Any) -> tuple[int, str]:
    """Exit code and printed text."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, **options)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bugs.json"
    path.write_text(json.dumps({"Pytorch_to_JAX_Examples": dirty.EXAMPLES}))
    return path


def test_import_prints_every_sentence_and_the_counts(file: Path) -> None:
    code, text = call("import_dataset", str(file), dataset="mine", title="Mine")
    assert code == 0
    lines = text.splitlines()
    assert len(lines) == 11
    assert lines[-1] == (
        "mine: 3 new; 0 the same; 0 refused; 11 steps, 4 replayed; steps explain 50% (7 of 14 "
        "changed lines) (Error_Code: 5 exact, 1 up to whitespace, 1 several places, 3 not found, "
        "1 targets the input)"
    )
    assert Dataset.objects.get(slug="mine").title == "Mine"
    assert call("import_dataset", str(file), dataset="mine")[1] == (
        "mine: 0 new; 3 the same; 0 refused; 0 steps, 0 replayed\n"
    )


def test_import_ends_with_1_when_something_was_refused(file: Path) -> None:
    (file.parent / "bad.json").write_text("{")
    code, text = call("import_dataset", str(file.parent), dataset="mine", json=True)
    assert code == 1
    report = json.loads(text)
    assert (report["new"], report["files"], report["files_refused"]) == (3, 2, 1)
    assert report["steps"]["exact"] == 5
    assert report["notes"][0]["refused"] is True
    assert report["notes"][0]["file"].endswith("bad.json")


def test_a_dry_run_makes_no_dataset(file: Path) -> None:
    code, text = call("import_dataset", str(file), dataset="mine", dry_run=True)
    assert code == 0
    assert "mine: 3 would be new" in text
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("slug", ["a b", "", "x" * 65, "../x"])
def test_a_bad_slug_is_refused_with_a_sentence(file: Path, slug: str) -> None:
    with pytest.raises(CommandError, match="cannot name a dataset"):
        call("import_dataset", str(file), dataset=slug)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no"):
        call("import_dataset", str(tmp_path), dataset="mine")


def test_the_taxonomy_loads_once_and_follows_the_file() -> None:
    call("load_taxonomy")
    counts = (Category.objects.count(), Subcategory.objects.count())
    assert counts[0] >= 5
    Category.objects.update(description="old")
    assert "changed" in call("load_taxonomy")[1]
    assert call("load_taxonomy")[1] == "Taxonomy: up to date.\n"
    assert (Category.objects.count(), Subcategory.objects.count()) == counts


def test_the_sample_loads_once_and_every_step_replays() -> None:
    call("load_sample")
    steps = FixStep.objects.filter(draft__example__dataset__slug="sample")
    assert steps.count() >= 40
    assert not steps.filter(after=None).exists()
    assert not steps.filter(category=None).exists()
    assert "sample: 0 new" in call("load_sample")[1]


def test_a_newer_sample_replaces_what_no_person_touched() -> None:
    call("load_sample")
    examples = Dataset.objects.get(slug="sample").examples
    old, touched = examples.all()[1:3]
    for example in (old, touched):
        # As if an older version of the sample had been loaded.
        examples.filter(pk=example.pk).update(pytorch_code="old = 1\n")
    AuditEvent.objects.filter(action="example.imported").delete()
    draft = touched.drafts.get()
    person = User.objects.create_user("ann")
    act(draft, ACTIONS["approve"], text="Read and run by hand.", by=person)
    text = call("load_sample")[1]
    assert text.count("holds this Example_id with other content") == 1
    touched.refresh_from_db()
    assert touched.pytorch_code == "old = 1\n"
    renewed = examples.get(example_id=old.example_id)
    assert renewed.pytorch_code != "old = 1\n"
    assert renewed.position == old.position
    assert renewed.drafts.get().steps.count() > 0


def test_the_first_admin_gets_a_private_password(tmp_path: Path, settings: Settings) -> None:
    settings.T2J_DATA = tmp_path / "data"
    call("ensure_admin")
    path = settings.T2J_DATA / "admin-password"
    assert path.stat().st_mode & 0o777 == 0o600
    admin = User.objects.get(username="admin")
    assert admin.is_superuser
    assert admin.check_password(path.read_text().strip())
    assert str(path) in call("ensure_admin")[1]
    assert admin.check_password(path.read_text().strip())


def test_no_admin_is_made_when_the_password_cannot_be_kept(
    tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "file").write_text("")
    settings.T2J_DATA = tmp_path / "file"
    with pytest.raises(CommandError, match="could not be written"):
        call("ensure_admin")
    assert not User.objects.exists()


def test_rows_of_code_are_sampled_by_a_seed(tmp_path: Path) -> None:
    rows = [
        {"content": f"import torch\nx_{n} = {n}\n", "path": f"{n}.py", "license": "mit"}
        for n in range(30)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, text = call("import_dataset", str(file), dataset="a", sample=5, seed=3)
    assert code == 0 and "25 left out" in text
    assert Dataset.objects.get(slug="a").examples.count() == 5
    with pytest.raises(CommandError, match="a whole number from 1"):
        call("import_dataset", str(file), "--dataset=b", "--sample=0")
