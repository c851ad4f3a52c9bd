"""Exports in the background and releases: made once, by whoever is alive, and kept."""

import hashlib
import io
import json
import threading
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from curation.enums import MemberRole
from curation.models import Dataset
from curation.services import members, steps
from curation.services.steps import StepText
from scoring.enums import ExportState
from scoring.exporters import ExportRefused, Only, Options, Tally
from scoring.exports import files, pipeline, services
from scoring.models import ExportJob, Release
from scoring.tasks import look_after_exports
from tests.factories import FIXED, make_dataset, make_draft, make_example, make_user
from tests.scoring.judged import repaired, verified_example


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.T2J_DATA = tmp_path


@pytest.fixture
def dataset(db: None) -> Dataset:
    dataset = make_dataset("mine")
    verified_example(dataset)
    make_draft(example=make_example(dataset))
    return dataset


@pytest.fixture
def lead(dataset: Dataset) -> User:
    return make_user("ada")


@pytest.fixture
def client(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


def ask(dataset: Dataset, format: str = "t2j", **options: Any) -> ExportJob:
    return services.request_export(dataset, format=format, options=Options(**options), by=None)


def made(job: ExportJob) -> ExportJob:
    pipeline.execute(job.pk)
    job.refresh_from_db()
    return job


def release(dataset: Dataset, version: str, by: User | None = None) -> Release:
    job = services.request_release(dataset, version=version, changelog="First.", by=by)
    assert made(job).state == ExportState.FINISHED, job.error
    return dataset.releases.get(version=version)


# The beat of a job writes from a connection of its own: these see what is committed alone.
committed = pytest.mark.django_db(transaction=True)


@committed
def test_a_job_makes_one_file_that_says_what_was_left_out(dataset: Dataset) -> None:
    job = made(ask(dataset))
    assert job.state == ExportState.FINISHED
    assert (job.done, job.total) == (2, 2)
    assert job.tally["lines"] == [
        "1 example, 1 step.",
        "Left out: 1 whose newest revision has no verdict yet.",
    ]
    content = files.path_of(job.path).read_bytes()
    assert job.sha256 == hashlib.sha256(content).hexdigest()
    assert job.written == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["mine.json", "mine-t2j.about.yaml"]
        about = yaml.safe_load(archive.read("mine-t2j.about.yaml"))
    assert about["left_out"] == {"whose newest revision has no verdict yet": 1}
    # A second delivery of its message finds nothing to do.
    pipeline.execute(job.pk)
    assert files.path_of(job.path).read_bytes() == content


@pytest.mark.django_db
def test_the_same_wish_twice_is_one_job(dataset: Dataset) -> None:
    assert ask(dataset) == ask(dataset)
    assert ask(dataset, only=Only.ALL) != ask(dataset)
    with pytest.raises(ExportRefused, match="snapshot is not made with --split"):
        ask(dataset, "snapshot", split="problem")


@committed
def test_a_job_of_a_killed_worker_is_done_by_the_next(dataset: Dataset) -> None:
    job = ask(dataset)
    killed = pipeline.claim(job.pk)
    assert killed is not None and killed.claim is not None
    half = files.folder() / f"{job.pk}-{killed.claim.hex[:12]}" / "mine-t2j.zip.partial"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    assert pipeline.claim(job.pk) is None
    pipeline.take_back_lost()
    assert pipeline.take_unsent() == []  # it may still live
    long_ago = timezone.now() - pipeline.LOST_AFTER - timedelta(seconds=1)
    ExportJob.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)
    pipeline.take_back_lost()
    assert pipeline.take_unsent() == [job.pk]
    assert pipeline.take_unsent() == []  # its message is under way
    assert made(job).state == ExportState.FINISHED
    assert not half.exists()
    # What the first one finishes after all is not taken.
    late = files.path_of("late/mine.zip")
    late.parent.mkdir()
    late.write_bytes(b"late")
    assert not pipeline.store(killed, Tally(), "late/mine.zip", "0" * 64)
    job.refresh_from_db()
    assert job.path != "late/mine.zip"


@committed
def test_a_job_that_workers_die_of_ends(dataset: Dataset) -> None:
    job = ask(dataset)
    for _ in range(pipeline.MAX_ATTEMPTS):
        assert pipeline.claim(job.pk) is not None
        ExportJob.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
        pipeline.take_back_lost()
    job.refresh_from_db()
    assert job.state == ExportState.FAILED
    assert job.error.startswith("Its worker was lost 3 times.")


@committed
def test_a_job_that_nobody_wants_any_more_stops(dataset: Dataset) -> None:
    job = pipeline.claim(ask(dataset).pk)
    assert job is not None
    watch = pipeline.Watch(job)
    watch.told(1)
    services.delete_export(job, by=None)
    watch.beat(threading.Event())  # ends by itself once it sees that the job is gone
    with pytest.raises(pipeline.Superseded):
        watch.told(1)
    pipeline.execute(job.pk)
    assert not list(files.folder().rglob("*.zip"))


@committed
def test_a_refusal_within_is_told(dataset: Dataset) -> None:
    job = ask(dataset)
    ExportJob.objects.update(options={"only": "some"})  # as an older studio knew it
    assert made(job).state == ExportState.FAILED
    assert job.error == "“some” is no choice of drafts: verified, approved, all."


@committed
def test_a_folder_that_cannot_be_written_is_told(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("a file where the folder should be")
    job = made(ask(dataset))
    assert job.state == ExportState.FAILED
    assert job.error.startswith("The file could not be written:")


@committed
def test_the_page_asks_shows_and_gives_the_file(client: Client, dataset: Dataset) -> None:
    url = reverse("dataset-exports", args=["mine"])
    assert client.post(url, {"format": "t2j", "only": "all"}).status_code == 302
    job = dataset.exports.get()
    assert (job.options["only"], job.requested_by) == ("all", User.objects.get(username="ada"))
    waiting = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "every 2s" in waiting and "Waiting" in waiting and "<html" not in waiting
    made(job)
    page = client.get(url).content.decode()
    assert "every 2s" not in page
    assert "2 examples, 1 step." in page
    response = client.get(reverse("export-download", args=[job.pk]))
    assert response["Content-Disposition"] == 'attachment; filename="mine-t2j.zip"'
    assert hashlib.sha256(response.getvalue()).hexdigest() == job.sha256
    refused = client.post(url, {"format": "snapshot", "split": "problem"})
    assert refused.status_code == 422
    assert "not made with --split" in refused.content.decode()
    client.post(reverse("export-delete", args=[job.pk]))
    assert not dataset.exports.exists() and not files.path_of(job.path).exists()


@committed
def test_a_broken_download_is_resumed(client: Client, dataset: Dataset) -> None:
    job = made(ask(dataset))
    url, whole = reverse("export-download", args=[job.pk]), files.path_of(job.path).read_bytes()
    size, etag = len(whole), f'"{job.sha256}"'

    def get(**headers: str) -> tuple[int, bytes, Any]:
        response = client.get(url, headers=headers)
        body = response.getvalue() if response.streaming else response.content
        return response.status_code, body, response

    code, first, response = get(Range="bytes=0-99")
    assert (code, first) == (206, whole[:100])
    assert response["Content-Range"] == f"bytes 0-99/{size}"
    assert (response["ETag"], response["Accept-Ranges"]) == (etag, "bytes")
    assert response["Content-Length"] == "100"
    code, rest, _ = get(Range="bytes=100-", **{"If-Range": etag})
    assert (code, first + rest) == (206, whole)
    assert get(Range="bytes=-10")[:2] == (206, whole[-10:])
    assert get(Range=f"bytes=5-{size * 9}")[:2] == (206, whole[5:])
    # Other bytes than those that were begun, or no range that we serve: all of it.
    assert get(Range="bytes=100-", **{"If-Range": '"other"'})[:2] == (200, whole)
    for odd in ("bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=a-b"):
        assert get(Range=odd)[:2] == (200, whole)
    code, _, response = get(Range=f"bytes={size}-")
    assert (code, response["Content-Range"]) == (416, f"bytes */{size}")
    assert get(**{"If-None-Match": etag})[0] == 304


@committed
def test_a_file_that_is_gone_is_said(client: Client, dataset: Dataset) -> None:
    job = made(ask(dataset))
    files.remove(job.path)
    page = client.get(reverse("export-download", args=[job.pk]), follow=True).content.decode()
    assert "make the export again" in page


@pytest.mark.django_db
def test_a_viewer_sees_exports_and_asks_for_none(dataset: Dataset) -> None:
    Dataset.objects.filter(pk=dataset.pk).update(everyone=MemberRole.VIEWER)
    client = Client()
    client.force_login(make_user())
    url = reverse("dataset-exports", args=["mine"])
    assert "Make an export" not in client.get(url).content.decode()
    assert client.post(url, {"format": "t2j"}).status_code == 403


@committed
def test_a_release_is_kept_for_good(client: Client, lead: User, dataset: Dataset) -> None:
    url = reverse("dataset-releases", args=["mine"])
    assert client.post(url, {"version": "1.0", "changelog": ""}).status_code == 422
    assert client.post(url, {"version": "1.0.0", "changelog": "The first."}).status_code == 302
    (job,) = dataset.exports.all()
    assert client.post(url, {"version": "1.0.0"}).status_code == 422
    made(job)
    first = dataset.releases.get()
    assert (first.version, first.changelog, first.created_by) == ("1.0.0", "The first.", lead)
    assert (first.examples, first.steps) == (2, 1)
    content = files.path_of(first.path).read_bytes()
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            assert first.files[name]["sha256"] == hashlib.sha256(archive.read(name)).hexdigest()
    page = client.get(reverse("release-detail", args=[first.pk])).content.decode()
    assert first.files["examples.jsonl"]["sha256"] in page and "The first." in page
    assert client.get(reverse("release-download", args=[first.pk])).getvalue() == content
    with pytest.raises(ExportRefused, match="kept for good"):
        services.delete_export(job, by=None)
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Release.objects.update(sha256="0" * 64)
    with pytest.raises(ExportRefused, match=r"There is a release 1\.0\.0 already"):
        services.request_release(dataset, version="1.0.0", changelog="", by=None)
    assert not files.path_of(first.path).stat().st_mode & 0o222


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0\n1", ""])
def test_what_is_no_semantic_version_is_refused(dataset: Dataset, version: str) -> None:
    with pytest.raises(ExportRefused, match="semantic version"):
        services.request_release(dataset, version=version, changelog="", by=None)


@committed
def test_two_releases_are_compared(client: Client, dataset: Dataset) -> None:
    release(dataset, "1.0.0")
    draft = repaired(make_example(dataset))
    steps.save_step(draft, base=1, code=f"{FIXED}# x\n", text=StepText(), by=None)
    release(dataset, "1.1.0-rc.1")
    url = reverse("release-compare", args=["mine"])
    page = client.get(url, {"from": "1.0.0", "to": "1.1.0-rc.1"}).content.decode()
    assert "Added examples" in page and draft.example.example_id in page
    page = client.get(url, {"from": "1.0.0", "to": "1.0.0"}).content.decode()
    assert "No example differs." in page
    assert client.get(url, {"from": "9.9.9"}).status_code == 200


@committed
def test_a_release_becomes_the_base_of_an_experiment(
    client: Client, lead: User, dataset: Dataset
) -> None:
    first = release(dataset, "1.0.0")
    make_example(dataset)  # the dataset goes on, the release does not
    response = client.post(reverse("release-experiment", args=[first.pk]))
    assert response["Location"] == reverse("experiment-new", args=["mine-v1-0-0"])
    assert client.get(response["Location"]).status_code == 200
    base = Dataset.objects.get(slug="mine-v1-0-0")
    assert base.title == "Dataset mine 1.0.0"
    assert base.examples.count() == 2
    again = make_user("ben")
    members.set_role(dataset, again, MemberRole.LEAD, by=None)
    assert services.base_dataset(first, by=again) == base
    other = Client()
    other.force_login(again)
    assert other.get(response["Location"]).status_code == 200


@committed
def test_waiting_jobs_are_sent_again_when_their_message_is_lost(
    dataset: Dataset, settings: Any
) -> None:
    job = ask(dataset)
    look_after_exports()
    job.refresh_from_db()
    assert job.sent_at is None  # just asked for: its message is under way
    ExportJob.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    look_after_exports()
    job.refresh_from_db()
    assert job.sent_at is not None
    assert json.loads(json.dumps(job.options)) == Options().to_json()
