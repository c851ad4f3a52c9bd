"""Runs of many drafts at once."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from curation.models import Dataset, Draft, Revision
from curation.services.audit import Actor, record
from executor.draft_list import with_runs
from executor.enums import Priority, RunState
from executor.models import Run
from executor.parity.outcome import Reason
from executor.services import request_run

# More would keep a page waiting; the same action goes on with the rest.
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """How many newest revisions are run now, were known or under way already, cannot run, or are
    left for the next time."""

    asked: int
    known: int
    not_runnable: int
    left: int


@transaction.atomic
def run_newest(dataset: Dataset, drafts: QuerySet[Draft], *, by: Actor) -> Asked:
    """Run the newest revision of each draft that has no verdict, a stale one, or one that says
    that our own machinery broke."""
    whole = Draft.objects.filter(pk__in=drafts.order_by().values("pk"), example__dataset=dataset)
    chosen = list(whole.select_related("example__dataset").defer("raw_answer").order_by("pk"))
    runnable = [draft for draft in chosen if not draft.example.not_runnable]
    wanted = [draft for draft in with_runs(runnable) if not _is_known(draft.run)]
    now = wanted[:MOST_AT_ONCE]
    heads = Revision.objects.filter(draft__in=now).order_by("draft_id", "-number")
    code_of = dict(heads.distinct("draft_id").values_list("draft_id", "code"))
    for draft in now:
        code = code_of[draft.pk]
        request_run(draft.example, code, draft=draft, priority=Priority.BATCH, by=by)
    if now:
        record(
            "drafts.run", dataset, dataset=dataset, by=by, count=len(now), drafts=sorted(code_of)
        )
    return Asked(
        asked=len(now),
        known=len(runnable) - len(wanted),
        not_runnable=len(chosen) - len(runnable),
        left=len(wanted) - len(now),
    )


def _is_known(run: Run | None) -> bool:
    if run is None or run.stale or run.state == RunState.CANCELLED:
        return False
    return run.state != RunState.FINISHED or run.verdict.reason != Reason.INFRASTRUCTURE
