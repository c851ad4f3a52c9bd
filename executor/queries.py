"""Questions about runs and verdicts."""

import contextlib
from collections.abc import Iterable, Mapping

from curation.models import Draft, Example, Revision
from curation.models.base import sha256
from executor.contracts import hash_of, hashes_of, runtime_hash, runtime_or_default
from executor.enums import RunState
from executor.models import Run
from executor.parity.contract import ContractError
from executor.parity.outcome import Outcome


def run_key(example: Example, code_hash: str, runtime: str | None = None) -> dict[str, object]:
    """The fields that make a run what it is."""
    return {
        "example": example,
        "code_hash": code_hash,
        "contract_hash": hash_of(example),
        "runtime": runtime_or_default(runtime),
        "runtime_hash": runtime_hash(runtime_or_default(runtime)),
    }


def run_of_code(example: Example, code: str) -> Run | None:
    """The run of any text under the present contract, if there is one."""
    key = run_key(example, sha256(code))
    return Run.objects.filter(**key).select_related("verdict").first()


def run_of(revision: Revision, runtime: str | None = None) -> Run | None:
    """The run of a revision under its example's present contract, if there is one."""
    key = run_key(revision.draft.example, revision.sha256, runtime)
    return Run.objects.filter(**key).select_related("verdict").first()


def last_failed_run(draft: Draft, since: Revision) -> Run | None:
    """The newest failure of what was run for a draft after a revision was made."""
    runs = Run.objects.filter(draft=draft, verdict__outcome=Outcome.FAIL)
    later = runs.filter(finished_at__gte=since.created_at).select_related("verdict")
    return later.order_by("-finished_at").first()


def runs_of(revisions: Iterable[Revision], runtime: str | None = None) -> dict[int, Run]:
    """Runs of many revisions of one example by revision id, in one query. No stale ones."""
    found = shown_runs(revisions, runtime)
    return {pk: run for pk, run in found.items() if not run.stale}


def shown_runs(revisions: Iterable[Revision], runtime: str | None = None) -> dict[int, Run]:
    """As `runs_of`, and where there is none the newest stale run, marked as such."""
    revisions = list(revisions)
    if not revisions:
        return {}
    example = revisions[0].draft.example
    key = run_key(example, "", runtime)
    found: dict[str, Run] = {}
    hashes = {revision.sha256 for revision in revisions}
    runs = Run.objects.filter(example=example, code_hash__in=hashes, runtime=key["runtime"])
    for run in runs.select_related("verdict").order_by("id"):
        run.stale = is_stale(run, key)
        if run.code_hash not in found or not run.stale or found[run.code_hash].stale:
            found[run.code_hash] = run
    return {r.pk: found[r.sha256] for r in revisions if r.sha256 in found}


def mark_stale(run: Run, example: Example | None = None) -> None:
    """Set `run.stale`: whether reference, contract, engine or packages changed since."""
    # A stored contract that is none any more says so where the example is run.
    with contextlib.suppress(ContractError):
        run.stale = is_stale(run, run_key(example or run.example, run.code_hash, run.runtime))


class Freshness:
    """`is_stale` of many runs: what an example rests on at present is worked out once each."""

    def __init__(self, examples: Iterable[int]) -> None:
        self._contracts = hashes_of(Example.objects.filter(pk__in=set(examples)))
        self._runtimes: dict[str, str] = {}

    def is_stale(self, run: Run) -> bool:
        contract = self._contracts.get(run.example_id)
        if contract is None:
            return False
        if run.runtime not in self._runtimes:
            self._runtimes[run.runtime] = runtime_hash(run.runtime)
        now = {"contract_hash": contract, "runtime_hash": self._runtimes[run.runtime]}
        return is_stale(run, now)


def is_stale(run: Run, key: Mapping[str, object]) -> bool:
    """`key` is what `run_key` says of its example at present."""
    return any(getattr(run, part) != key[part] for part in ("contract_hash", "runtime_hash"))


def position(run: Run) -> int:
    """How many queued runs go before this one."""
    ahead = Run.objects.filter(state=RunState.QUEUED, device=run.device)
    return (
        ahead.filter(priority__lt=run.priority).count()
        + ahead.filter(priority=run.priority, queued_at__lt=run.queued_at).count()
    )
