"""When the mapping of parameters is open: other mappings that fit, and what to say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.harness import recipe
from executor.parity.module_candidate import Observed
from executor.parity.module_probes import Judge
from executor.parity.outcome import Outcome, Reason, Stage, Verdict, undecided


def fitting(judge: Judge, observed: Observed) -> Mapping[str, Any] | None:
    """Another legal mapping under which the outputs agree."""
    found = observed.packet("alternatives.npz")
    recorded = judge.recorded
    real = recorded.hidden["outputs"][recorded.sharp_case]
    for each in found if isinstance(found, list) else []:
        if not isinstance(each, dict) or not isinstance(each.get("recipes"), dict):
            continue
        records = judge.tree("output", real, each.get("output"), None)
        if records and all(record.outcome is Outcome.PASS for record in records):
            return dict(each["recipes"])
    return None


def worth_another_run(observed: Observed, verdict: Verdict) -> bool:
    """Whether a mapping that fits may simply be taken instead of the first.

    A kernel stored flipped is the same kernel: which way a plain tree stores it shows in nothing
    but its use. Layers of one kind and size that bear no names of the reference's may follow its
    order of definition or its order of calls: under either they are the same layers. Which way a
    square matrix lies is never decided so.
    """
    if verdict.strength is not None or any(e.why != "flip" for e in observed.mapping if e.open):
        return False
    differs = verdict.outcome is Outcome.FAIL and verdict.stage in (Stage.NUMERIC, Stage.BEHAVIORAL)
    return differs or verdict.reason is Reason.AMBIGUOUS_MAPPING


def ambiguous(observed: Observed, other: bool, details: Mapping[str, Any]) -> Verdict:
    """More than one mapping is legal; `other` when not the first one fits."""
    open_ones = [entry for entry in observed.mapping if entry.open and entry.why != "flip"]
    first = (open_ones or [entry for entry in observed.mapping if entry.open])[0]
    ways = ", or ".join([recipe.words(first.recipe), *first.open])
    fits = "with another choice than the first" if other else "with the first choice"
    return undecided(
        Reason.AMBIGUOUS_MAPPING,
        f"{first.path} may be filled in more than one way ({ways}) and nothing but the result "
        f"tells which; the outputs agree {fits}. Pin it in the contract, for instance "
        f'{{"pins": {{"{first.path}": {{"source": "{recipe.names(first.recipe)[0]}", '
        f'"layout": "transposed"}}}}}}.',
        **details,
    )
