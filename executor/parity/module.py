"""Modules: Model, get_inputs, get_init_inputs. The ladder of one verdict."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from executor.harness import recipe
from executor.parity import (
    module_candidate,
    module_interface,
    module_mapping,
    module_reference,
    strength,
)
from executor.parity.cache import ReferenceCache
from executor.parity.comparison import agree
from executor.parity.context import Ran, in_context
from executor.parity.contract import Contract
from executor.parity.flatten import arrays
from executor.parity.module_candidate import Observed
from executor.parity.module_errors import STAGE_OF, WORDS_OF, raised, stopped
from executor.parity.module_probes import Judge, records_of
from executor.parity.module_reference import Recorded, Runner
from executor.parity.outcome import (
    Kind,
    Outcome,
    ProbeRecord,
    Reason,
    Stage,
    Verdict,
    failed,
    undecided,
)
from executor.parity.program import parse_both
from executor.parity.program_reference import ReferenceTrouble

# Until then nothing is known of the candidate's parameters.
BEFORE_OUTPUTS = module_candidate.PHASES[: module_candidate.PHASES.index("outputs")]
ORDER = list(Stage)
FLICKERS = (
    "The candidate gives something else each time it is called with the same inputs and "
    "parameters. Seed what it draws, or take the key as an argument."
)


@dataclass(frozen=True, slots=True)
class Case:
    """One pair of modules and how it is verified."""

    reference: str
    candidate: str
    contract: Contract
    files: Mapping[str, bytes]
    runtime: str
    runner: Runner
    candidate_tree: ast.Module


def verify_module(  # noqa: PLR0917 - the engine calls it by name
    reference: str,
    candidate: str,
    contract: Contract,
    files: Mapping[str, bytes],
    runtime: str,
    cache: ReferenceCache | None,
    runner: Runner,
) -> Verdict:
    """Decide whether the candidate's Model does what the reference's does.

    Never raises for what the snippets are or do. SandboxUnavailable passes through.
    """
    parsed = parse_both(reference, candidate)
    if isinstance(parsed, Verdict):
        return parsed
    try:
        recorded = module_reference.observe(reference, contract, files, cache, runner)
    except ReferenceTrouble as trouble:
        return undecided(trouble.reason, trouble.message, **trouble.details)
    case = Case(reference, candidate, contract, files, runtime, runner, parsed[1])
    observed = _run(case, recorded, {})
    verdict = decide(case, recorded, observed)
    if module_mapping.worth_another_run(observed, verdict):
        fitting = module_mapping.fitting(Judge(contract, recorded), observed)
        if fitting is not None:
            observed = _run(case, recorded, fitting)
            verdict = decide(case, recorded, observed)
    return _with_context(verdict, case, recorded, observed)


def _run(case: Case, recorded: Recorded, forced: Mapping[str, Any]) -> Observed:
    job = module_candidate.job(case.candidate, case.contract, recorded, case.runtime, forced)
    return module_candidate.read(case.runner(job))


def decide(case: Case, recorded: Recorded, observed: Observed) -> Verdict:
    """The verdict on one run: the first broken rung, else whether a pass counts."""
    broken = _did_not_run(case, observed)
    if broken is not None:
        return broken
    judge = Judge(case.contract, recorded)
    found = records_of(judge, observed, recorded.hidden)
    records = [*module_interface.records(case.candidate_tree, recorded, observed)]
    records += [r for each in found.values() for r in each]
    records.sort(key=lambda record: ORDER.index(record.tier))
    wrong = next((r for r in records if r.outcome is Outcome.FAIL), None)
    late = None if observed.error is None else raised(case.candidate, observed)
    if (wrong is None or wrong.tier is not Stage.SPEC) and _flickers(judge, observed):
        return undecided(Reason.FLAKY, FLICKERS, probes=tuple(records))
    if wrong is not None and (late is None or _not_after(wrong.tier, late.stage)):
        return _differs(case, recorded, observed, records, wrong)
    if late is not None:
        return replace(late, probes=tuple(records))
    absent = [
        phase
        for phase in ("outputs", *module_candidate.PROBES)
        if phase not in found and (phase == "outputs" or phase in recorded.hidden)
    ]
    if absent:
        return failed(
            Stage.RUN,
            Kind.MISSING_OUTPUT,
            f"The candidate ended before its {absent[0]} could be observed "
            f"(exit code {observed.result.exit_code}).",
            probes=tuple(records),
        )
    return _agrees(judge, observed, records)


def _not_after(tier: Stage, stage: Stage | None) -> bool:
    return stage is None or ORDER.index(tier) <= ORDER.index(stage)


def _flickers(judge: Judge, observed: Observed) -> bool:
    """Whether the candidate itself gave something else when it was called once more."""
    outputs, again = observed.packet("outputs.npz"), observed.packet("again.npz")
    if again is None or not isinstance(outputs, dict):
        return False
    first, second = arrays(outputs.get("declared"), "output"), arrays(again, "output")
    allowed = judge.tolerance("output", next(iter(first.values()), np.zeros(0)), None)
    return first.keys() == second.keys() and not all(
        agree(value, second[name], replace(allowed, allow_nan=True))
        for name, value in first.items()
    )


def _did_not_run(case: Case, observed: Observed) -> Verdict | None:
    """The verdict on a candidate that did not come as far as its outputs."""
    broken = stopped(observed)
    if broken is not None or "outputs.npz" in observed.result.files:
        return broken
    return _left_early(observed) if observed.error is None else raised(case.candidate, observed)


def _left_early(observed: Observed) -> Verdict | None:
    """The verdict on a candidate that ended its own process before its parameters were read."""
    if observed.phase not in BEFORE_OUTPUTS:
        return None
    return failed(
        STAGE_OF.get(observed.phase, Stage.RUN),
        Kind.MISSING_OUTPUT,
        f"The candidate ended its own process {WORDS_OF.get(observed.phase, 'early')} "
        f"(exit code {observed.result.exit_code}) and showed nothing.",
    )


def _differs(
    case: Case,
    recorded: Recorded,
    observed: Observed,
    records: Sequence[ProbeRecord],
    wrong: ProbeRecord,
) -> Verdict:
    """A difference: a fail, unless another mapping or unshared randomness may explain it."""
    details: dict[str, Any] = {"probes": tuple(records)}
    if wrong.tier in (Stage.NUMERIC, Stage.BEHAVIORAL):
        is_open = any(entry.open for entry in observed.mapping)
        if is_open and module_mapping.fitting(Judge(case.contract, recorded), observed):
            return module_mapping.ambiguous(observed, True, details)
        random = _unshared(recorded, observed)
        if random:
            return undecided(
                Reason.RANDOMNESS_NOT_SHARED,
                f"The outputs differ, and the reference keeps random numbers in {random[0]}, a "
                "plain attribute that nothing in the candidate takes. Register it as a parameter "
                "or buffer, or pass it in.",
                **details,
            )
    kind = wrong.kind or Kind.VALUE_MISMATCH
    hint = _hint(case, observed, wrong)
    return failed(wrong.tier, kind, f"{wrong.message}{hint}", **details)


def _unshared(recorded: Recorded, observed: Observed) -> list[str]:
    taken = {name for entry in observed.mapping for name in recipe.names(entry.recipe)}
    return [name for name in recorded.report.get("random_attributes", []) if name not in taken]


def _agrees(judge: Judge, observed: Observed, records: Sequence[ProbeRecord]) -> Verdict:
    """A pass, if the mapping is certain and the contract could have failed."""
    details: dict[str, Any] = {"probes": tuple(records)}
    if not any(record.max_abs_error is not None for record in records):
        return undecided(
            Reason.NOTHING_COMPARED,
            "Nothing was compared: the contract ignores every probe, or the outputs are empty.",
            **details,
        )
    measured = strength.measure(judge)
    details["strength"] = measured
    weak = strength.too_weak(measured)
    if weak:
        return undecided(
            Reason.CONTRACT_TOO_WEAK,
            f"Everything agrees, but this contract proves little: {weak}. Add inputs or probes "
            "that depend on the computation.",
            **details,
        )
    if any(entry.open and entry.why != "flip" for entry in observed.mapping):
        return module_mapping.ambiguous(observed, False, details)
    return Verdict(
        Outcome.PASS,
        stage=max((record.tier for record in records), key=ORDER.index),
        message=f"The candidate does what the reference does: {len(records)} probes agree.",
        **details,
    )


def _idle_pins(case: Case, recorded: Recorded, observed: Observed) -> list[str]:
    """What the contract pins and this pair does not have."""
    ours = recorded.visible["parameters"].keys() | recorded.visible["buffers"].keys()
    notes = []
    for path, pin in case.contract.pins.items():
        if observed.tree and path not in observed.tree:
            notes.append(f"The contract pins {path}, which this candidate does not have.")
        elif pin.source not in ours:
            notes.append(f"The contract pins {path} to {pin.source}, which no tensor is named.")
    return notes


def _hint(case: Case, observed: Observed, wrong: ProbeRecord) -> str:
    """What often explains a difference, where it applies."""
    in_train_mode = wrong.name.startswith(("train output", "statistic"))
    applies = {
        " gelu() of JAX is the tanh form unless it is called with approximate=False.": (
            wrong.kind is Kind.VALUE_MISMATCH and _tanh_gelu(case)
        ),
        " An embedding's row at padding_idx gets no gradient in PyTorch.": (
            wrong.kind is Kind.GRADIENT_MISMATCH and "padding_idx" in case.reference
        ),
        " nnx.GRUCell has no bias for the state's part of the new gate; PyTorch's GRU has.": (
            "nnx.GRUCell" in case.candidate and "nn.GRU" in case.reference
        ),
        " A momentum of 0.1 in PyTorch is 0.9 in Flax: it weighs the old value there.": (
            wrong.name.startswith("statistic") and "momentum" in case.candidate
        ),
        " The candidate draws random numbers of another kind or shape than the reference.": (
            observed.unanswered
        ),
        " The candidate has no train mode (no `train` or `deterministic` argument).": (
            in_train_mode and not observed.has_mode
        ),
    }
    return next((words for words, true in applies.items() if true), "")


def _tanh_gelu(case: Case) -> bool:
    """Whether the candidate takes JAX's default gelu where the reference takes the exact one."""
    theirs, ours = case.candidate, case.reference.lower()
    exact = "gelu" in ours and "tanh" not in ours
    return exact and "gelu(" in theirs and "approximate" not in theirs


def _with_context(verdict: Verdict, case: Case, recorded: Recorded, observed: Observed) -> Verdict:
    """The verdict with sizes, mapping, versions, times, and what the candidate printed."""
    return in_context(
        verdict,
        Ran(recorded.result, recorded.report["versions"]),
        Ran(observed.result, observed.versions, observed.times),
        case.runtime,
        constants=dict(recorded.report["constants"]),
        parameter_mapping=tuple(entry.to_json() for entry in observed.mapping),
        notes=(*recorded.report["notes"], *observed.notes, *_idle_pins(case, recorded, observed)),
    )
