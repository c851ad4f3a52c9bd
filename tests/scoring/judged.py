"""Drafts with verdicts, through the machines' own door and without a sandbox."""

from curation.enums import DraftStatus
from curation.models import Category, Dataset, Draft, Example
from curation.services import steps
from curation.services.audit import Actor
from curation.services.steps import StepText
from executor import pipeline
from executor.models import Run
from executor.parity.outcome import Kind, Outcome, Stage, failed
from executor.parity.outcome import Verdict as ParityVerdict
from executor.services import request_run
from tests.factories import DRAFT, FIXED, REFERENCE, make_draft, make_example

PASSED = ParityVerdict(Outcome.PASS, stage=Stage.BEHAVIORAL)
FAILED = failed(Stage.BEHAVIORAL, Kind.VALUE_MISMATCH, "2.0 is expected, 3.0 is there")


def judge(draft: Draft, code: str, verdict: ParityVerdict) -> Run:
    run = pipeline.claim(request_run(draft.example, code, draft=draft, by=None).pk)
    assert run is not None
    assert pipeline.store(run, verdict)
    return run


def repaired(
    example: Example,
    *,
    last: ParityVerdict | None = PASSED,
    category: Category | None = None,
    by: Actor = None,
) -> Draft:
    """A draft that fails, its one step, and the verdict on what came of it."""
    draft = make_draft(example=example, by=by)
    judge(draft, DRAFT, FAILED)
    text = StepText(error="Wrong length", fix_info="Two ones", category=category)
    steps.save_step(draft, base=0, code=FIXED, text=text, by=by)
    if last is not None:
        judge(draft, FIXED, last)
    draft.refresh_from_db()
    return draft


def verified_example(
    dataset: Dataset, code: str = REFERENCE, *, category: Category | None = None
) -> Example:
    example = make_example(dataset, code=code)
    draft = repaired(example, category=category)
    assert draft.status == DraftStatus.VERIFIED
    return example
