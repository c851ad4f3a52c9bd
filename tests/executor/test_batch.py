"""Whole datasets: asked for once, gone on with after a stop, run again when they are stale."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from curation.enums import DraftStatus
from curation.models import Draft
from curation.services.datasets import set_contract
from executor import batch, pipeline, queries
from executor.enums import Device, Priority, RunState
from executor.models import Run
from executor.parity.outcome import Outcome, Stage
from executor.parity.outcome import Verdict as ParityVerdict
from executor.services import request_run
from tests.factories import DRAFT, FIXED, head_of, make_dataset, make_draft, make_example

pytestmark = pytest.mark.django_db

PASSED = ParityVerdict(Outcome.PASS, stage=Stage.BEHAVIORAL)


@pytest.fixture
def drafts() -> list[Draft]:
    dataset = make_dataset("mine")
    return [make_draft(code, example=make_example(dataset)) for code in (DRAFT, FIXED)]


def finish_all() -> None:
    for run in Run.objects.filter(state=RunState.QUEUED):
        mine = pipeline.claim(run.pk)
        assert mine is not None
        pipeline.store(mine, PASSED)


def asked(*arguments: str) -> int:
    """How many runs a call of the command queues."""
    call_command("run_dataset", "mine", *arguments)
    return Run.objects.filter(state=RunState.QUEUED).count()


def test_every_revision_is_asked_for_once(drafts: list[Draft]) -> None:
    assert asked() == 2
    finish_all()
    assert asked() == 0


def test_a_dataset_is_sent_to_a_device(drafts: list[Draft]) -> None:
    asked("--device", "gpu")
    assert {run.device for run in Run.objects.all()} == {Device.GPU}


def test_a_changed_contract_makes_verdicts_stale(drafts: list[Draft]) -> None:
    assert asked("--only-stale") == 0  # never run is not stale
    asked()
    finish_all()
    set_contract(drafts[0].example, {"version": 1, "kind": "program", "wall_s": 9.0}, by=None)
    drafts[0].refresh_from_db()
    shown = queries.shown_runs([head_of(drafts[0])])[head_of(drafts[0]).pk]
    assert shown.stale
    assert queries.runs_of([head_of(drafts[0])]) == {}
    assert asked("--only-stale") == 1
    finish_all()
    assert not queries.shown_runs([head_of(drafts[0])])[head_of(drafts[0]).pk].stale
    assert asked("--only-stale") == 0


def test_interrupted_it_takes_back_what_nobody_else_wants(
    drafts: list[Draft], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[tuple[int, int]]:
        raise KeyboardInterrupt

    person = request_run(drafts[0].example, DRAFT, priority=Priority.PERSON, by=None)
    monkeypatch.setattr(batch, "wait_for", interrupted)
    with pytest.raises(CommandError, match="1 runs were taken back") as stopped:
        call_command("run_dataset", "mine", "--wait")
    assert stopped.value.returncode == 130
    assert [run.pk for run in Run.objects.filter(state=RunState.QUEUED)] == [person.pk]
    assert asked() == 2


def test_many_revisions_are_asked_for_in_a_few_queries(
    drafts: list[Draft], django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        make_draft(f"x = {number}\n", example=drafts[0].example)
    revisions = batch.revisions_of(drafts[0].example.dataset)
    with django_assert_max_num_queries(12):
        runs = batch.request_runs(revisions, by=None)
    assert len(set(runs.values())) == len(revisions) == 42
    assert {run.code_hash for run in Run.objects.filter(pk__in=runs.values())} == {
        revision.sha256 for revision in revisions
    }
    assert Run.objects.filter(draft=drafts[0]).count() == 1


def test_what_was_decided_before_is_told_and_what_was_not_is_run_again(
    drafts: list[Draft],
) -> None:
    """A draft gets the verdict that its code had before it; a cancelled run waits again."""
    asked()
    finish_all()
    same = make_draft(DRAFT, example=drafts[0].example)
    Draft.objects.filter(pk=same.pk).update(status=DraftStatus.REPAIRING)
    Run.objects.filter(draft=drafts[1]).update(state=RunState.CANCELLED)
    runs = batch.request_runs(batch.revisions_of(same.example.dataset), by=None)
    same.refresh_from_db()
    assert same.status == DraftStatus.VERIFIED
    assert runs[head_of(same).pk] == runs[head_of(drafts[0]).pk]
    assert Run.objects.get(draft=drafts[1]).state == RunState.QUEUED
    assert Run.objects.count() == 2
