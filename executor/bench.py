"""What the workbench shows: the ledger of a draft, the state of a run, what may be done next."""

from dataclasses import dataclass
from typing import Any

from curation.enums import DraftStatus
from curation.models import Draft, FixStep, Revision
from executor import presentation, queries
from executor.models import Run
from executor.parity.outcome import Outcome
from executor.progress import progress_of


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One line of the timeline: a revision, the step that made it, the run that judged it."""

    revision: Revision | None
    step: FixStep | None
    run: Run | None


def ledger_rows(revisions: list[Revision], steps: list[FixStep]) -> list[LedgerRow]:
    """The draft, its steps in order, then imported final versions that no step leads to."""
    runs = queries.shown_runs(revisions)
    by_id = {revision.pk: revision for revision in revisions}
    rows = [LedgerRow(revisions[0], None, runs.get(revisions[0].pk))]
    for step in steps:
        after = by_id.get(step.after_id) if step.after_id else None
        rows.append(LedgerRow(after, step, runs.get(after.pk) if after else None))
    shown = {row.revision.pk for row in rows if row.revision}
    rows += [LedgerRow(r, None, runs.get(r.pk)) for r in revisions if r.pk not in shown]
    return rows


def bench_context(draft: Draft) -> dict[str, Any]:
    """The draft's revisions, ledger and what may be done next."""
    revisions = list(draft.revisions.order_by("number").select_related("created_by"))
    for revision in revisions:
        revision.draft = draft  # spares a query per revision
    head = revisions[-1]
    steps = list(draft.steps.order_by("order").select_related("category", "subcategory", "author"))
    rows = ledger_rows(revisions, steps)
    head_run = next((row.run for row in rows if row.revision == head), None)
    verdict = None if head_run and head_run.stale else presentation.finished_verdict(head_run)
    return {
        "draft": draft,
        "example": draft.example,
        "dataset": draft.example.dataset,
        "revisions": revisions,
        "head": head,
        "head_run": head_run,
        "rows": rows,
        "step_number": len(steps) + 1,
        "steps_count": len(steps),
        "unplaced": [step for step in steps if step.after_id is None and not step.settled],
        "comments": draft.comments.select_related("author", "step").order_by("id"),
        "passed": passed(verdict),
        "open": draft.status != DraftStatus.APPROVED,
        "can_take_back": bool(steps) and steps[-1].after_id == head.pk,
    }


def passed(verdict: object) -> bool:
    return getattr(verdict, "outcome", None) == Outcome.PASS


def run_context(run: Run | None, draft: Draft | None) -> dict[str, Any]:
    """What the verdict fragment needs, wherever it stands."""
    verdict = presentation.finished_verdict(run)
    if verdict is not None:
        queries.mark_stale(verdict.run)
    context: dict[str, Any] = {
        "run": run,
        "draft": draft,
        "panel": presentation.panel(verdict) if verdict else None,
    }
    if run is not None and not run.is_over:
        context["progress"] = progress_of(run)
    return context
