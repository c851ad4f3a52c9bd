"""What people bring: datasets, programs, pasted drafts, files; and what they take away."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from curation.models import Dataset, Draft, Example
from executor import import_jobs
from executor.models import ImportJob, Run
from executor.tasks import run_import
from scoring.exporters import FORMATS
from scoring.exporters.base import ExportFile
from tests.curation import fuzz
from tests.factories import DRAFT, REFERENCE, make_dataset, make_draft, make_example

pytestmark = pytest.mark.django_db

RECORD = {
    "Example_id": "e1",
    "Input_Code": REFERENCE,
    "LLM_weak_output": DRAFT,
    "LLM_fix_output": DRAFT.replace("3", "2"),
    "Errors": [
        {
            "Error_Code": "print(jnp.ones(3).sum())",
            "Error": "It prints 3.",
            "Fix_info": "Two, not three.",
            "Fixed_Code": "print(jnp.ones(2).sum())",
        }
    ],
}


def upload(client: Client, dataset: Dataset, name: str, content: bytes, **more: str) -> object:
    data = {"files": SimpleUploadedFile(name, content), **more}
    return client.post(reverse("dataset-import", args=[dataset.slug]), data)


@pytest.fixture
def dataset(person: User) -> Dataset:
    return make_dataset("mine", by=person)


def test_a_new_dataset_leads_to_its_import(client: Client, person: User) -> None:
    response = client.post(reverse("dataset-new"), {"title": "Mine", "slug": "mine"})
    assert response["Location"] == "/datasets/mine/import/"
    assert Dataset.objects.get(slug="mine").created_by == person


def test_a_taken_short_name_is_said(client: Client, dataset: Dataset) -> None:
    response = client.post(reverse("dataset-new"), {"title": "Mine", "slug": "mine"})
    assert response.status_code == 422
    assert "already exists" in response.content.decode()


def test_a_program_is_added_once(client: Client, dataset: Dataset) -> None:
    url = reverse("example-new", args=["mine"])
    fields = {"example_id": "e9", "difficulty": "easy", "pytorch_code": REFERENCE}
    client.post(url, fields)
    again = client.post(url, fields)
    assert "“e9” is in this dataset already" in again.content.decode()
    assert Example.objects.get(example_id="e9").pytorch_code == REFERENCE


def test_a_pasted_answer_is_shown_as_code_before_it_is_kept(client: Client) -> None:
    example = make_example()
    url = reverse("draft-new", args=[example.pk])
    answer = f"Sure!\n```python\n{DRAFT}```\nEnjoy.\n"
    fields = {"raw_answer": answer, "role": "cheap", "model": "small", "prompt_kind": "standard"}
    shown = client.post(url, fields)
    assert shown.context["form"].initial["code"] == DRAFT
    assert Draft.objects.count() == 0
    client.post(url, fields | {"code": DRAFT})
    draft = Draft.objects.get()
    assert (draft.raw_answer, draft.model) == (answer, "small")
    assert draft.revisions.get().code == DRAFT
    assert Run.objects.get(draft=draft).code == DRAFT


def test_an_uploaded_file_is_imported_and_run(client: Client, dataset: Dataset) -> None:
    content = json.dumps({"Pytorch_to_JAX_Examples": [RECORD]}).encode()
    response = upload(client, dataset, "t2j.json", content)
    assert "Everything was taken" in response.content.decode()  # type: ignore[attr-defined]
    assert dataset.examples.get().drafts.get().steps.count() == 1
    assert Run.objects.filter(example__dataset=dataset).count() == 2


def test_a_dry_run_imports_nothing(client: Client, dataset: Dataset) -> None:
    content = json.dumps([RECORD]).encode()
    response = upload(client, dataset, "t2j.json", content, dry_run="1")
    assert "What would happen" in response.content.decode()  # type: ignore[attr-defined]
    assert dataset.examples.count() == 0


def test_what_was_looked_through_is_imported_by_a_second_press(
    client: Client, dataset: Dataset, settings: Settings, tmp_path: Path
) -> None:
    settings.T2J_DATA = tmp_path
    files = [
        SimpleUploadedFile("line.ipynb", json.dumps(fuzz.NOTEBOOK).encode()),
        SimpleUploadedFile("d.csv", b"1,2"),
        SimpleUploadedFile("more.zip", fuzz.zipped({"p.py": fuzz.PROGRAM.encode()})),
    ]
    paths = json.dumps(["t/easy/line.ipynb", "t/easy/d.csv", "t/more.zip"])
    data = {"files": files, "paths": paths, "dry_run": "1"}
    looked = client.post(reverse("dataset-import", args=["mine"]), data)
    assert "What would happen" in looked.content.decode()
    assert dataset.examples.count() == 0
    job = ImportJob.objects.get()
    done = client.post(reverse("import-job", args=[job.pk]))
    assert "What was imported" in done.content.decode()
    assert list(dataset.examples.values_list("example_id", "difficulty")) == [
        ("line", "easy"),
        ("p", "unknown"),
    ]
    assert dataset.examples.get(example_id="line").attachments.get().name == "d.csv"
    assert list((tmp_path / "imports").iterdir()) == []
    # A third press finds nothing to do.
    assert "What was imported" in client.post(reverse("import-job", args=[job.pk])).content.decode()
    assert dataset.examples.count() == 2


def test_a_long_import_is_left_to_a_worker_and_shows_how_far_it_is(
    client: Client,
    dataset: Dataset,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.T2J_DATA = tmp_path
    monkeypatch.setattr(import_jobs, "SMALL_BYTES", 10)
    monkeypatch.setattr(run_import, "apply_async", lambda *_, **__: None)
    content = json.dumps([RECORD]).encode()
    response = upload(client, dataset, "t2j.json", content)
    job = ImportJob.objects.get()
    page = reverse("import-job", args=[job.pk])
    assert response["Location"] == page  # type: ignore[index]
    assert "It waits for a worker." in client.get(page).content.decode()
    ImportJob.objects.update(state="running", file="t2j.json", percent=40)
    shown = client.get(page, headers={"HX-Request": "true"})
    assert '<progress class="bar" max="100" value="40"' in shown.content.decode()
    assert "HX-Refresh" not in shown
    ImportJob.objects.update(state="waiting")
    run_import(job.pk)
    assert client.get(page, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert "Everything was taken" in client.get(page).content.decode()
    assert Run.objects.filter(example__dataset=dataset).count() == 2
    # A message that comes twice does nothing.
    run_import(job.pk)
    assert dataset.examples.count() == 1


def test_an_import_whose_worker_was_lost_is_started_again(
    client: Client, dataset: Dataset, settings: Settings, tmp_path: Path
) -> None:
    settings.T2J_DATA = tmp_path
    upload(client, dataset, "t2j.json", json.dumps([RECORD]).encode(), dry_run="1")
    long_ago = timezone.now() - import_jobs.LOST * 2
    ImportJob.objects.update(state="running", alive_at=long_ago)
    page = reverse("import-job", args=[ImportJob.objects.get().pk])
    assert "It stopped in the middle" in client.get(page).content.decode()
    assert "Everything was taken" in client.post(page).content.decode()
    assert dataset.examples.count() == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{}", b"[1, 2", b""])
def test_a_bad_file_is_refused_with_a_sentence(
    client: Client, dataset: Dataset, content: bytes
) -> None:
    response = upload(client, dataset, "bad.json", content)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "bad.json" in response.content.decode()  # type: ignore[attr-defined]


def test_no_file_is_said(client: Client, dataset: Dataset) -> None:
    response = client.post(reverse("dataset-import", args=["mine"]))
    assert "No file was chosen." in response.content.decode()


def test_the_export_is_streamed_as_a_file(client: Client, dataset: Dataset) -> None:
    make_draft(example=make_example(dataset))
    address = reverse("export-file", args=["mine", "t2j", "mine.json"])
    assert json.loads(client.get(address).getvalue())["Pytorch_to_JAX_Examples"] == []
    response = client.get(address, {"only": "all"})
    assert response["Content-Disposition"] == 'attachment; filename="mine.json"'
    exported = json.loads(response.getvalue())
    assert exported["Pytorch_to_JAX_Examples"][0]["LLM_weak_output"] == DRAFT
    missing = client.get(reverse("export-file", args=["mine", "t2j", "other.json"]))
    assert missing.status_code == 404


@pytest.mark.parametrize("attached", [False, True])
def test_the_page_offers_every_file_that_is_made_at_once(
    client: Client, dataset: Dataset, attached: bool
) -> None:
    example = make_example(dataset)
    if attached:
        example.attachments.create(name="data.csv", content=b"1,2")
    offered = client.get(reverse("dataset-exports", args=["mine"])).context["direct"]
    made = {
        format["name"]: [(each.name, each.media_type) for each in make(format["name"], dataset)]
        for format in offered
    }
    assert {format["name"]: format["files"] for format in offered} == made
    assert len(made["t2j"]) == 1 + attached


def make(name: str, dataset: Dataset) -> tuple[ExportFile, ...]:
    return FORMATS[name].export(dataset).files
