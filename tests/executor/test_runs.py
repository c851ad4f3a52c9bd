"""Runs: asked once, claimed once, stored once, and never lost."""

import os
import socket
import subprocess
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from curation.enums import DraftStatus
from curation.models import Draft
from curation.services.datasets import set_contract
from executor import fleet, pipeline, queries, reaper, services
from executor.enums import Device, Priority, RunState
from executor.models import Run, Verdict
from executor.parity.outcome import Kind, Outcome, Reason, Stage, failed
from executor.parity.outcome import Verdict as ParityVerdict
from tests.factories import DRAFT, FIXED, head_of, make_draft, make_user

pytestmark = pytest.mark.django_db

PASSED = ParityVerdict(Outcome.PASS, stage=Stage.BEHAVIORAL)
FAILED = failed(Stage.RUN, Kind.RUNTIME_ERROR, "It broke.")


@pytest.fixture
def draft() -> Draft:
    return make_draft()


@pytest.fixture
def person() -> User:
    return make_user()


def ask(draft: Draft, person: User | None, code: str = DRAFT) -> Run:
    return services.request_run(draft.example, code, draft=draft, by=person)


def claimed(run: Run) -> Run:
    mine = pipeline.claim(run.pk)
    assert mine is not None
    return mine


def reaped(idle: Collection[str] = ("cpu", "gpu")) -> list[int]:
    """What a look of the reaper sends to workers again."""
    reaper.take_back_lost()
    return [run.pk for run in reaper.take_unsent(idle)]


def test_asking_twice_is_one_run(draft: Draft, person: User) -> None:
    assert ask(draft, person) == ask(draft, None)
    assert ask(draft, person, FIXED).pk != ask(draft, person).pk


def test_a_changed_reference_or_contract_is_another_run(draft: Draft, person: User) -> None:
    first = ask(draft, person)
    draft.example.contract = {"version": 1, "kind": "program", "wall_s": 10.0}
    second = ask(draft, person)
    draft.example.pytorch_code += "\n# changed"
    assert len({first.pk, second.pk, ask(draft, person).pk}) == 3


def test_only_one_worker_gets_a_run(draft: Draft, person: User) -> None:
    run = ask(draft, person)
    assert pipeline.claim(run.pk) is not None
    assert pipeline.claim(run.pk) is None


def test_a_result_is_stored_once_by_whoever_holds_the_claim(draft: Draft, person: User) -> None:
    lost = claimed(ask(draft, person))
    Run.objects.filter(pk=lost.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert reaped() == [lost.pk]
    mine = claimed(lost)
    assert pipeline.store(mine, FAILED)
    assert not pipeline.store(lost, PASSED)
    assert Verdict.objects.get(run=lost).outcome == Outcome.FAIL


def test_a_living_worker_keeps_its_run(draft: Draft, person: User) -> None:
    claimed(ask(draft, person))
    assert reaped() == []


def test_a_dead_worker_that_nobody_waited_for_is_lost(draft: Draft, person: User) -> None:
    run = claimed(ask(draft, person))
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # it ended and stays a zombie
        Run.objects.filter(pk=run.pk).update(worker=f"{socket.gethostname()}:{dead.pid}")
        assert reaped() == [run.pk]


def test_a_run_that_kills_its_workers_ends_undecided(draft: Draft, person: User) -> None:
    run = ask(draft, person)
    for _ in range(pipeline.MAX_ATTEMPTS):
        claimed(run)
        Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
        reaped()
    verdict = Verdict.objects.get(run=run)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.INFRASTRUCTURE)


def test_a_queued_run_whose_message_was_lost_is_sent_again(draft: Draft, person: User) -> None:
    run = ask(draft, person)
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.filter(pk=run.pk).update(queued_at=long_ago, sent_at=long_ago)
    assert reaped(idle=[]) == []  # messages wait at the broker; its own may be one of them
    assert reaped() == [run.pk]
    assert reaped() == []


def test_a_run_that_was_never_sent_is_sent(draft: Draft, person: User) -> None:
    run = ask(draft, person)
    assert reaped(idle=[]) == []  # whoever asked is about to
    Run.objects.filter(pk=run.pk).update(queued_at=timezone.now() - timedelta(hours=1))
    assert reaped(idle=[]) == [run.pk]


def test_a_cancelled_run_drops_its_result_and_can_be_asked_again(
    draft: Draft, person: User
) -> None:
    run = claimed(ask(draft, person))
    assert services.cancel_run(run, by=person)
    assert not services.cancel_run(run, by=person)
    assert not pipeline.store(run, PASSED)
    assert ask(draft, person).state == RunState.QUEUED


def test_a_person_moves_a_batch_run_up(draft: Draft, person: User) -> None:
    run = services.request_run(draft.example, DRAFT, priority=Priority.BATCH, by=None)
    ask(draft, person)
    run.refresh_from_db()
    assert run.priority == Priority.PERSON


def test_the_newest_revision_decides_the_drafts_status(draft: Draft, person: User) -> None:
    pipeline.store(claimed(ask(draft, person)), PASSED)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.VERIFIED
    pipeline.store(claimed(ask(draft, person, FIXED)), FAILED)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.VERIFIED  # FIXED is no revision of this draft


@pytest.fixture
def broken_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> ParityVerdict:
        raise RuntimeError("boom")

    monkeypatch.setattr("executor.parity.engine.verify", broken)


@pytest.mark.usefixtures("broken_verifier")
def test_what_breaks_on_our_side_is_tried_again_later_and_not_for_ever(
    draft: Draft, person: User
) -> None:
    run = ask(draft, person)
    pauses = []
    for _ in range(pipeline.MAX_ATTEMPTS - 1):
        pipeline.execute(run.pk)
        run.refresh_from_db()
        assert run.state == RunState.QUEUED
        assert "boom" in run.note
        assert run.due_at is not None
        assert pipeline.claim(run.pk) is None  # not before it is due
        assert reaped() == []
        pauses.append(run.due_at - run.queued_at)
        Run.objects.filter(pk=run.pk).update(due_at=timezone.now())
        assert reaped() == [run.pk]
    assert pauses[1] > pauses[0] > timedelta(seconds=1)
    pipeline.execute(run.pk)
    verdict = Verdict.objects.get(run=run)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.INFRASTRUCTURE)
    assert "boom" in verdict.message


@pytest.mark.usefixtures("broken_verifier")
def test_asked_again_what_broke_has_all_its_attempts(draft: Draft, person: User) -> None:
    run = claimed(ask(draft, person))
    Run.objects.filter(pk=run.pk).update(attempts=pipeline.MAX_ATTEMPTS)
    pipeline.store(run, pipeline.broken(run, "It broke."))
    assert ask(draft, person).attempts == 0
    assert not Verdict.objects.filter(run=run).exists()


def test_a_change_of_packages_is_another_run(
    draft: Draft, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask(draft, person)
    monkeypatch.setattr("executor.runtimes.stamp", lambda name: f"newer {name}")
    assert ask(draft, person).pk != before.pk
    assert queries.run_of(head_of(draft)) != before


def test_a_gpu_run_waits_for_its_worker_or_goes_to_cpu(draft: Draft, person: User) -> None:
    set_contract(draft.example, {"version": 1, "kind": "program", "device": "gpu"}, by=person)
    draft.refresh_from_db()
    run = ask(draft, person)
    assert run.device == Device.GPU
    assert not fleet.serves(run.device)
    worker = fleet.Myself(["gpu"], 1, isolation="namespaces")
    worker.say_alive()
    assert fleet.serves(run.device)
    worker.say_goodbye()
    assert not fleet.serves(run.device)
    assert services.send_to_cpu(run, by=person)
    assert not services.send_to_cpu(run, by=person)
    run.refresh_from_db()
    assert (run.device, run.state) == (Device.CPU, RunState.QUEUED)


@pytest.mark.django_db(transaction=True)  # its watch looks from a connection of its own
def test_a_gpu_run_on_a_machine_without_one_says_so(
    draft: Draft, person: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.sandbox.devices.DEV", tmp_path)
    run = services.request_run(draft.example, DRAFT, device=Device.GPU, by=person)
    Run.objects.filter(pk=run.pk).update(attempts=pipeline.MAX_ATTEMPTS - 1)
    pipeline.execute(run.pk)
    verdict = Verdict.objects.get(run=run)
    assert verdict.reason == Reason.INFRASTRUCTURE
    # The runtime comes first, where it is not installed either.
    assert "jax-cuda" in verdict.message or "send the run to the CPU" in verdict.message
