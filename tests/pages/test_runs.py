"""A run's page: where it is, and what can be done about it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from curation.services.datasets import set_contract
from executor import fleet, pipeline, services
from executor.enums import Device, Part, Priority, RunState
from executor.models import Run
from tests.factories import DRAFT, FIXED, make_draft
from tests.pages.conftest import PASSED

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(person: User) -> Run:
    draft = make_draft(by=person)
    return services.request_run(draft.example, DRAFT, draft=draft, by=person)


@pytest.fixture
def shown(client: Client, person: User) -> Callable[[Run], str]:
    def get(run: Run) -> str:
        page = client.get(reverse("run-detail", args=[run.pk]), headers={"HX-Request": "true"})
        return " ".join(page.content.decode().split())

    return get


def test_a_queued_run_says_how_many_go_before_it(run: Run, shown: Callable[[Run], str]) -> None:
    last = services.request_run(run.example, FIXED, priority=Priority.BATCH, by=None)
    assert "1 run ahead" in shown(last)
    assert "ahead" not in shown(run)


def test_a_running_run_says_what_it_is_at_and_about_how_far(
    run: Run, shown: Callable[[Run], str]
) -> None:
    mine = pipeline.claim(run.pk)
    assert mine is not None
    Run.objects.filter(pk=run.pk).update(part=Part.CANDIDATE)
    assert "the candidate runs" in shown(run)
    assert "about" not in shown(run)  # nobody knows yet how long this example takes
    pipeline.store(mine, PASSED)
    other = services.request_run(run.example, FIXED, by=None)
    pipeline.claim(other.pk)
    run.verdict.seconds = 1e6
    run.verdict.save()
    assert "about 0 %" in shown(other)


def test_a_gpu_run_without_a_worker_can_be_sent_to_cpu(
    client: Client, person: User, run: Run, shown: Callable[[Run], str]
) -> None:
    set_contract(run.example, {"version": 1, "kind": "program", "device": "gpu"}, by=person)
    run.example.refresh_from_db()
    waiting = services.request_run(run.example, DRAFT, by=person)
    assert "Waiting for a GPU worker" in shown(waiting)
    worker = fleet.Myself(["gpu"], 1, isolation="namespaces")
    worker.say_alive()
    assert "Waiting for a GPU worker" not in shown(waiting)
    worker.say_goodbye()
    page = client.post(reverse("run-to-cpu", args=[waiting.pk]), follow=True)
    assert "Queued" in page.content.decode()
    waiting.refresh_from_db()
    assert waiting.device == Device.CPU


def test_a_gpu_run_is_sent_to_cpu_by_the_api(client: Client, person: User, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(device=Device.GPU)
    url = reverse("api-run-detail", args=[run.pk])
    assert client.get(url).json()["progress"]["waits_for_gpu"]
    moved = client.post(reverse("api-run-to-cpu", args=[run.pk])).json()
    assert (moved["device"], moved["state"]) == (Device.CPU, RunState.QUEUED)


def test_a_stale_verdict_says_so(run: Run, shown: Callable[[Run], str], client: Client) -> None:
    mine = pipeline.claim(run.pk)
    assert mine is not None
    pipeline.store(mine, PASSED)
    assert "stale" not in shown(run)
    set_contract(run.example, {"version": 1, "kind": "program", "wall_s": 9.0}, by=None)
    assert "This verdict is stale" in shown(run)
    queue = client.get(reverse("dataset-detail", args=[run.example.dataset.slug]))
    assert "Stale" in queue.content.decode()


def test_the_workers_page_says_who_works_and_what_waits(client: Client, run: Run) -> None:
    url = reverse("fleet")
    assert "No worker lives" in client.get(url).content.decode()
    worker = fleet.Myself(["cpu"], 2, isolation="namespaces+seccomp+rlimits+cgroup")
    worker.say_alive()
    page = client.get(url)
    assert worker.name in page.content.decode()
    assert "seccomp" in page.content.decode()
    queues = {queue.name: (queue.queued, queue.served) for queue in page.context["queues"]}
    assert queues == {"cpu": (1, True), "gpu": (0, False)}
    assert [queued.pk for queued in page.context["queued"]] == [run.pk]
