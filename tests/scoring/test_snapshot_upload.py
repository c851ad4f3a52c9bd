"""Snapshots brought in the browser: looked at, restored by a worker, refused in words."""

import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from curation.enums import MemberRole
from curation.models import AuditEvent, Dataset
from curation.services import members
from executor import import_jobs
from executor.models import ImportJob, Run
from executor.tasks import run_import
from scoring.exporters import Options
from scoring.exports import files, pipeline, services
from scoring.models import ExportJob
from tests.api.calls import V1
from tests.factories import make_dataset, make_user
from tests.scoring.test_snapshots import content_of, empty_the_server, make_rich

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.T2J_DATA = tmp_path


@pytest.fixture
def foreign() -> bytes:
    """A snapshot of another studio."""
    content = content_of(make_rich())
    empty_the_server()
    return content


@pytest.fixture
def chief() -> User:
    return User.objects.create_superuser("chief", password="x")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def upload(client: Client, *contents: bytes, to: str = "copy", **more: str) -> str:
    """The page that a person sees afterwards."""
    named = [SimpleUploadedFile(f"rich-{n}.zip", each) for n, each in enumerate(contents)]
    response = client.post(reverse("dataset-import", args=[to]), {"files": named, **more})
    return str(response.content.decode())


def damaged(content: bytes) -> bytes:
    """The same with another data file than its manifest says."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"1,2", b"3,4"))
    return out.getvalue()


def test_it_is_looked_at_then_restored_and_is_the_same_again(foreign: bytes, chief: User) -> None:
    make_dataset("rich", by=chief)
    client = client_of(chief)
    page = upload(client, foreign, to="rich", dry_run="1")
    assert "rich: 3 examples, 2 steps would be restored." in page and "Restore" in page
    assert Dataset.objects.get().examples.count() == 0
    job = ImportJob.objects.get()
    done = client.post(reverse("import-job", args=[job.pk])).content.decode()
    assert "rich: 3 examples, 2 steps restored." in done
    assert "one that cannot sign in: ann, ben." in done
    assert content_of(Dataset.objects.get()) == foreign
    assert AuditEvent.objects.get(action="dataset.restored").actor == chief
    # Verdicts came along: nothing was run, and nothing of the upload is kept.
    assert not Run.objects.exclude(state="finished").exists()
    assert not import_jobs.is_kept(job)
    assert "the same as the snapshot; nothing was changed." in upload(client, foreign, to="rich")


def test_a_lead_brings_back_what_the_studio_made_itself(tmp_path: Path) -> None:
    lead = make_user("lead")
    dataset = make_rich()
    job = services.request_export(dataset, format="snapshot", options=Options(), by=None)
    pipeline.execute(job.pk)
    job.refresh_from_db()
    content = files.path_of(job.path).read_bytes()
    members.set_role(make_dataset("copy", everyone=None), lead, MemberRole.LEAD, by=None)
    assert "copy: 3 examples, 2 steps restored." in upload(client_of(lead), content)
    assert Dataset.objects.get(slug="copy").examples.count() == 3
    ExportJob.objects.all().delete()
    Dataset.objects.get(slug="copy").examples.all().delete()
    page = upload(client_of(lead), content)
    assert "This studio did not make this snapshot" in page
    assert Dataset.objects.get(slug="copy").examples.count() == 0


def test_a_lead_does_not_bring_names_and_verdicts_of_others(foreign: bytes) -> None:
    lead = make_user("lead")
    members.set_role(make_dataset("copy", everyone=None), lead, MemberRole.LEAD, by=None)
    for more in ({}, {"dry_run": "1"}):
        page = upload(client_of(lead), foreign, **more)
        assert "Nothing was taken" in page and "administers the studio" in page
    assert not User.objects.filter(username="ann").exists()
    assert Dataset.objects.get().examples.count() == 0


def test_what_is_no_whole_dataset_is_refused(foreign: bytes, chief: User) -> None:
    make_dataset("copy", by=chief)
    client = client_of(chief)
    assert "bring it alone" in upload(client, foreign, b"x = 1\n")
    assert "it was changed or damaged" in upload(client, damaged(foreign))
    assert Dataset.objects.get().examples.count() == 0
    upload(client, foreign)
    # It names itself “rich”, and is the same in a dataset of another name.
    assert "copy: the same as the snapshot; nothing was changed." in upload(client, foreign)
    Dataset.objects.get().examples.update(title="Another one")
    assert "holds other examples already" in upload(client, foreign)


def test_the_api_restores_too(foreign: bytes, chief: User) -> None:
    make_dataset("copy", by=chief)
    data = {"files": SimpleUploadedFile("rich.zip", foreign)}
    answer = client_of(chief).post(f"{V1}/datasets/copy/imports/", data)
    assert answer.status_code == 200
    report = answer.json()["report"]
    assert (report["complete"], report["snapshot"]) == (True, True)
    assert report["lines"][0] == "copy: 3 examples, 2 steps restored."


@pytest.mark.django_db(transaction=True)
def test_a_large_one_is_left_to_a_worker_and_tells_how_far_it_is(
    foreign: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    chief = User.objects.create_superuser("chief", password="x")
    make_dataset("copy", by=chief)
    monkeypatch.setattr(import_jobs, "SMALL_BYTES", 10)
    monkeypatch.setattr(run_import, "apply_async", lambda *_, **__: None)
    client = client_of(chief)
    upload(client, foreign)
    job = ImportJob.objects.get()
    assert job.state == "waiting"
    # The first example is in; the others wait until someone saw how far it is.
    seen = threading.Event()
    told = import_jobs._Told.__call__

    def wait(self: Any, done: int, total: int) -> None:
        told(self, done, total)
        assert seen.wait(30)

    monkeypatch.setattr(import_jobs._Told, "__call__", wait)

    def work() -> None:
        run_import(job.pk)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    page = reverse("import-job", args=[job.pk])
    try:
        for _ in range(200):
            job.refresh_from_db()
            if job.percent:
                break
            seen.wait(0.1)
        assert 0 < job.percent < 100 and job.file == "rich-0.zip"
        shown = client.get(page, headers={"HX-Request": "true"}).content.decode()
        assert f'value="{job.percent}"' in shown
    finally:
        seen.set()
        worker.join()
    assert "copy: 3 examples, 2 steps restored." in client.get(page).content.decode()
