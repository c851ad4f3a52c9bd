"""Exports and releases by the API: asked for, made by a worker, fetched, compared, told."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from curation.enums import WebhookEvent
from curation.models import Dataset, Delivery
from curation.services import webhooks
from scoring.exports import files, pipeline
from scoring.models import ExportJob, Release
from tests.api.calls import V1, said
from tests.factories import make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def api(client: Client, ann: User, settings: Any, tmp_path: Path) -> Client:
    settings.T2J_DATA = tmp_path
    client.force_login(ann)
    return client


def test_an_export_is_made_fetched_and_deleted(api: Client) -> None:
    make_draft(example=make_example(make_dataset("mine")))
    data = {"dataset": "mine", "format": "t2j", "only": "all"}
    code, job = said(api, "post", "/exports/", data)
    assert (code, job["state"], job["options"]["only"]) == (202, "queued", "all")
    assert said(api, "post", "/exports/", data)[1]["id"] == job["id"]
    path = f"/exports/{job['id']}/"
    assert said(api, "get", f"{path}file/")[0] == 404
    pipeline.execute(job["id"])
    code, job = said(api, "get", path)
    assert (code, job["state"], job["requested_by"]) == (200, "finished", "ann")
    response = api.get(f"{V1}{path}file/", headers={"Accept": "application/zip"})
    assert (response.status_code, response["ETag"]) == (200, f'"{job["sha256"]}"')
    part = api.get(f"{V1}{path}file/", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.getvalue()) == (206, response.getvalue()[:4])
    assert said(api, "delete", path)[0] == 204
    assert said(api, "get", "/exports/?dataset=mine")[1]["results"] == []
    code, answer = said(api, "post", "/exports/", {"dataset": "mine", "format": "nonsense"})
    assert (code, list(answer)) == (400, ["format"])


def test_a_release_is_made_told_and_compared(api: Client, ann: User) -> None:
    dataset = make_dataset("mine")
    make_draft(example=make_example(dataset))
    events = [WebhookEvent.RELEASED]
    webhooks.register(dataset, url="https://8.8.8.8/", events=events, by=ann)
    releases = []
    for version in ("1.0.0", "1.1.0"):
        data = {"dataset": "mine", "version": version, "changelog": "New."}
        code, job = said(api, "post", "/releases/", data)
        assert (code, job["version"]) == (202, version)
        pipeline.execute(job["id"])
        newest = said(api, "get", "/releases/?dataset=mine")[1]["results"][0]
        assert (newest["version"], newest["created_by"]) == (version, "ann")
        releases.append(newest)
        added = make_example(dataset)
    path = f"/releases/{releases[0]['id']}/"
    content = BytesIO(api.get(f"{V1}{path}file/").getvalue())
    assert zipfile.ZipFile(content).testzip() is None
    code, found = said(api, "get", f"{path}compare/?to=1.1.0")
    assert (code, len(found["added"]), found["removed"]) == (200, 1, [])
    assert added.example_id not in found["added"]
    assert said(api, "get", f"{path}compare/?to=2.0.0")[0] == 400
    code, answer = said(api, "post", "/releases/", {"dataset": "mine", "version": "1.0.0"})
    assert (code, list(answer)) == (400, ["version"])
    assert said(api, "delete", f"/exports/{job['id']}/")[0] == 409
    told = Delivery.objects.latest("created_at")
    assert (told.event, Delivery.objects.count()) == ("released", 2)
    assert '"version": "1.1.0"' in told.body


def test_a_release_is_the_base_of_experiments(api: Client, ann: User) -> None:
    make_draft(example=make_example(make_dataset("mine", by=ann)))
    said(api, "post", "/releases/", {"dataset": "mine", "version": "1.0.0"})
    pipeline.execute(ExportJob.objects.get().pk)
    (release,) = said(api, "get", "/releases/?dataset=mine")[1]["results"]
    path = f"/releases/{release['id']}/experiment/"
    code, made = said(api, "post", path)
    assert (code, Dataset.objects.get(slug=made["dataset"]).examples.count()) == (200, 1)
    assert said(api, "post", path) == (200, made)
    files.path_of(Release.objects.get().path).write_bytes(b"spoilt")
    Dataset.objects.get(slug=made["dataset"]).delete()
    assert said(api, "post", path)[0] == 409
