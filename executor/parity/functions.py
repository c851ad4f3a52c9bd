"""Functions: anything that is neither Model nor script, observed by the annotator's own lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from executor.parity import module_candidate
from executor.parity.arrays import Unreadable, read_json, read_packet
from executor.parity.cache import ReferenceCache, harness_version
from executor.parity.comparison import PROFILES, Tolerance, agree, compare
from executor.parity.context import Ran, in_context
from executor.parity.contract import Contract
from executor.parity.flatten import Array, arrays, flatten
from executor.parity.module_candidate import Observed
from executor.parity.module_errors import raised, stopped
from executor.parity.module_probes import missing
from executor.parity.module_reference import RUNTIME, Runner, came_to_its_end, failure, limits
from executor.parity.outcome import (
    Kind,
    Outcome,
    ProbeRecord,
    Reason,
    Stage,
    Strength,
    Verdict,
    failed,
    undecided,
)
from executor.parity.program_reference import ReferenceTrouble, freeze, thaw
from executor.sandbox.job import Job, JobResult

ENGINE = "functions-1"
RTOL = 1e-5


@dataclass(frozen=True, slots=True)
class Reference:
    """What the annotator's lines observed of the reference."""

    result: JobResult
    versions: Mapping[str, Any]
    observed: Mapping[str, Any]


def verify_functions(  # noqa: PLR0917 - the engine calls it by name
    reference: str,
    candidate: str,
    contract: Contract,
    files: Mapping[str, bytes],
    runtime: str,
    cache: ReferenceCache | None,
    runner: Runner,
) -> Verdict:
    """Compare what observe() noted on both sides, name by name.

    Never raises for what the snippets are or do. SandboxUnavailable passes through.
    """
    try:
        known = _reference(reference, contract, files, cache, runner)
    except ReferenceTrouble as trouble:
        return undecided(trouble.reason, trouble.message, **trouble.details)
    job = _job(
        runtime,
        "candidate_functions",
        "candidate.py",
        candidate,
        contract,
        files,
        contract.observe_candidate,
    )
    observed = module_candidate.read(runner(job))
    verdict = _decide(candidate, contract, known, observed)
    return in_context(
        verdict,
        Ran(known.result, known.versions),
        Ran(observed.result, observed.versions),
        runtime,
        constants=dict(contract.constants),
    )


def _job(  # noqa: PLR0917 - one job has these parts
    runtime: str,
    entry: str,
    name: str,
    code: str,
    contract: Contract,
    files: Mapping[str, bytes],
    observe: str,
) -> Job:
    settings = {
        "seed": contract.seed,
        "constants": dict(contract.constants),
        "observe": observe,
    }
    return Job(
        runtime=runtime,
        entry=entry,
        files={**files, name: code.encode(), "job.json": json.dumps(settings).encode()},
        limits=limits(contract),
    )


def _reference(
    code: str,
    contract: Contract,
    files: Mapping[str, bytes],
    cache: ReferenceCache | None,
    runner: Runner,
) -> Reference:
    """Run the reference, or take its run from the cache. Raises ReferenceTrouble."""
    job = _job(
        RUNTIME,
        "reference_functions",
        "reference.py",
        code,
        contract,
        files,
        contract.observe_reference,
    )
    digest = hashlib.sha256(f"{ENGINE} {harness_version()}".encode())
    for name in sorted(job.files):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(job.files[name]).digest())
    key = f"functions-{digest.hexdigest()}"
    kept = cache.get(key) if cache is not None else None
    result = runner(job) if kept is None else thaw(kept)
    if kept is None and cache is not None and result.end == "exited":
        cache.put(key, freeze(result))
    came_to_its_end(result)
    return _read(result)


def _read(result: JobResult) -> Reference:
    try:
        report = read_json(result.files, "report.json")
        if not report.get("ok"):
            raise failure(report)
        first = read_packet(result.files, "observed.npz")
        again = read_packet(result.files, "again.npz")
    except Unreadable as error:
        raise ReferenceTrouble(
            Reason.REFERENCE_FAILS, f"The reference ended before it could be observed: {error}"
        ) from error
    if not _repeats(first, again):
        raise ReferenceTrouble(
            Reason.REFERENCE_NOT_DETERMINISTIC,
            "The reference's probes differ from run to run. Build random inputs with a generator "
            "of your own, such as numpy.random.default_rng(0), in the contract's lines.",
        )
    return Reference(result, report.get("versions", {}), first)


def _repeats(first: Any, again: Any) -> bool:
    left, right = arrays(first, ""), arrays(again, "")
    allowed = Tolerance(rtol=1e-7, allow_nan=True)
    return left.keys() == right.keys() and all(
        agree(value, right[name], allowed) for name, value in left.items()
    )


def _decide(candidate: str, contract: Contract, known: Reference, observed: Observed) -> Verdict:
    broken = stopped(observed)
    if broken is not None:
        return broken
    if observed.error is not None:
        return raised(candidate, observed)
    records = _compare(contract, known.observed, observed.packet("observed.npz"))
    details: dict[str, Any] = {"probes": tuple(records)}
    if not records:
        return undecided(
            Reason.NOTHING_COMPARED,
            "Nothing was compared: the contract's lines observe no array or number of the "
            "reference. Call observe(name, value) in them.",
            **details,
        )
    wrong = next((record for record in records if record.outcome is Outcome.FAIL), None)
    if wrong is not None:
        return failed(wrong.tier, wrong.kind or Kind.VALUE_MISMATCH, wrong.message, **details)
    strength = _strength(contract, known.observed)
    if "all zeros" in strength.accepted or "constant mean" in strength.accepted:
        return undecided(
            Reason.CONTRACT_TOO_WEAK,
            "Everything agrees, but constants would agree too. Observe values that depend on the "
            "computation.",
            strength=strength,
            **details,
        )
    return Verdict(
        Outcome.PASS,
        stage=Stage.NUMERIC,
        message=f"The candidate gives what the reference gives: {len(records)} probes agree.",
        strength=strength,
        **details,
    )


def _named(value: Any, contract: Contract) -> dict[str, Array | str]:
    found: dict[str, Array | str] = {}
    for name, each in value.items() if isinstance(value, Mapping) else ():
        if not any(fnmatchcase(name, pattern) for pattern in contract.ignore):
            found.update(flatten(each, name))
    return found


def _compare(contract: Contract, ours: Any, theirs: Any) -> list[ProbeRecord]:
    left, right = _named(ours, contract), _named(theirs, contract)
    records = []
    for name, value in left.items():
        if isinstance(value, str):
            continue
        other = right.get(contract.names.get(name, name))
        if isinstance(other, np.ndarray):
            allowed = _tolerance(contract, name, value)
            records.append(compare(name, Stage.NUMERIC, value, other, allowed))
        else:
            records.append(missing(name, Stage.NUMERIC, value))
    return records


def _tolerance(contract: Contract, name: str, value: Array) -> Tolerance:
    profile = {"bfloat16": "bf16", "float16": "fp16"}.get(value.dtype.name, contract.profile)
    allowed = replace(PROFILES[profile], allow_nan=contract.allow_nan)
    for pattern, own in contract.tolerances.items():
        if fnmatchcase(name, pattern):
            allowed = replace(allowed, rtol=own)
    return allowed


def _strength(contract: Contract, ours: Any) -> Strength:
    """Zeros and constants in place of every array, and every array reversed."""
    values = {n: v for n, v in _named(ours, contract).items() if isinstance(v, np.ndarray)}
    impostors: dict[str, Callable[[Array], Any]] = {
        "all zeros": np.zeros_like,
        "constant mean": lambda v: np.full_like(v, v.mean() if v.size else 0),
        "wrong axis": np.flip,
    }
    rejected: list[str] = []
    accepted: list[str] = []
    for name, make in impostors.items():
        if name != "all zeros" and not any(v.size > 1 for v in values.values()):
            continue
        fools = all(
            agree(value, np.asarray(make(value)), _tolerance(contract, key, value))
            for key, value in values.items()
        )
        (accepted if fools else rejected).append(name)
    return Strength(tuple(rejected), tuple(accepted))
