"""How long reference and candidate take: each repetition in a fresh box, compiling told apart.

A whole program is run from start to end, without its imports; of a module, the forward pass on the
declared inputs is called, with the sizes and parameters that a verdict uses. Nothing is compared.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from executor import sandbox
from executor.parity import module_candidate, module_reference
from executor.parity.arrays import Unreadable, read_json
from executor.parity.cache import ReferenceCache
from executor.parity.contract import Contract, ContractError, Shape, recognise_shape
from executor.parity.program_reference import ReferenceTrouble
from executor.parity.program_side import job as program_job
from executor.sandbox.job import Device, Job, JobResult

LIMIT_S = 180.0
TIMES = "times.json"
# Two clocks read one after the other: what they may differ by.
SLACK_S = 0.1

Runner = Callable[[Job], JobResult]
Kind = Literal["program", "module"]


@dataclass(frozen=True, slots=True)
class Repetition:
    """One run in a fresh box: seconds, and MiB for the peak of all its processes.

    program  `wall_s` from start to end, `compile_s` of it JAX's tracing, lowering and compiling,
             `steady_s` the rest
    module   `wall_s` of the first call, `steady_s` the median of later calls, `compile_s` the
             difference

    `device_memory_mb` is the most that arrays held on the GPU at once, as the framework counts it;
    0 on the CPU, and for a program that leaves the GPU alone. Opening the device is not in the
    times.
    """

    wall_s: float
    cpu_s: float
    compile_s: float
    steady_s: float
    peak_memory_mb: float
    device_memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class RunTimes:
    """What was measured of one side. `outcome` is "ok", "error" or how the box ended."""

    kind: Kind
    outcome: str
    message: str = ""
    repetitions: tuple[Repetition, ...] = ()
    isolation: str = ""
    device: str = "cpu"

    def median(self, name: str) -> float | None:
        """The median of one number over all repetitions, None when there is none."""
        values = [getattr(each, name) for each in self.repetitions]
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Pair:
    """What is measured: one example's reference and, for candidates, their code.

    `runtime` and `device` are the candidate's; the reference runs in its own runtime on the same
    device.
    """

    reference: str
    contract: Contract | None
    files: Mapping[str, bytes]
    runtime: str = "jax"
    device: Device = "cpu"


def measure(
    pair: Pair,
    candidate: str | None,
    *,
    repeat: int = 1,
    limit_s: float = LIMIT_S,
    cache: ReferenceCache | None = None,
    runner: Runner = sandbox.run,
) -> RunTimes:
    """Run times of the candidate, or of the reference when that is None.

    Stops at the first repetition that does not come to its end. SandboxUnavailable passes through.
    """
    kind: Kind = "program"
    try:
        shape = recognise_shape(pair.reference, candidate or pair.reference)
        contract = replace(pair.contract or Contract(kind=shape), wall_s=limit_s)
        kind = "module" if contract.kind is Shape.MODULE else "program"
        wanted = _job(pair, contract, candidate, cache, runner)
    except (ReferenceTrouble, ContractError) as trouble:
        return RunTimes(kind, "error", str(trouble))
    done: list[Repetition] = []
    for _ in range(repeat):
        result = runner(wanted)
        outcome, message, times = _read(result)
        if times is None:
            return RunTimes(kind, outcome, message, (), result.isolation, result.device)
        done.append(times)
    return RunTimes(kind, "ok", "", tuple(done), result.isolation, result.device)


def _job(
    pair: Pair,
    contract: Contract,
    candidate: str | None,
    cache: ReferenceCache | None,
    runner: Runner,
) -> Job:
    if contract.kind is Shape.MODULE:
        recorded = module_reference.observe(pair.reference, contract, pair.files, cache, runner)
        job = _module_job(pair, contract, candidate, recorded)
    else:
        job = _program_job(pair, contract, candidate)
    # A kept compilation would hide what compiling takes.
    return replace(job, device=pair.device, cache_scope=None)


def _program_job(pair: Pair, contract: Contract, candidate: str | None) -> Job:
    settings = {
        "side": "reference" if candidate is None else "candidate",
        "device": pair.device,
        "constants": dict(contract.constants),
        "observe": contract.observe_reference if candidate is None else contract.observe_candidate,
    }
    return program_job(
        module_reference.RUNTIME if candidate is None else pair.runtime,
        "measure_program",
        pair.reference if candidate is None else candidate,
        contract,
        pair.files,
        settings=settings,
    )


def _module_job(
    pair: Pair, contract: Contract, candidate: str | None, recorded: module_reference.Recorded
) -> Job:
    if candidate is not None:
        job = module_candidate.job(candidate, contract, recorded, pair.runtime, {})
        return replace(job, entry="measure_candidate")
    job = module_reference.job(pair.reference, contract, pair.files)
    settings = json.loads(job.files["job.json"])
    settings |= {"constants": dict(recorded.report["constants"]), "device": pair.device}
    files = {**job.files, "job.json": json.dumps(settings).encode()}
    return replace(job, entry="measure_reference", files=files)


def _read(result: JobResult) -> tuple[str, str, Repetition | None]:
    """Outcome, a sentence, and the times, held against what the box itself measured."""
    if result.end != "exited":
        return result.end, result.detail, None
    try:
        told = read_json(result.files, TIMES)
    except Unreadable:
        return "error", f"It ended before its end (exit code {result.exit_code}).", None
    error = told.get("error")
    if isinstance(error, dict):
        return "error", str(error.get("message", ""))[:500], None
    times = _seconds(told.get("times"))
    if times is None or times["wall_s"] > result.wall_s + SLACK_S:
        return "error", "The program changed the clock that measures it.", None
    return (
        "ok",
        "",
        Repetition(
            **times,
            peak_memory_mb=round(result.peak_memory_mb, 1),
            device_memory_mb=_megabytes(told.get("device_memory_mb")),
        ),
    )


def _megabytes(told: Any) -> float:
    return float(told) if isinstance(told, int | float) and 0 <= told < 1e7 else 0.0


def _seconds(told: Any) -> dict[str, float] | None:
    names = [name for name in Repetition.__slots__ if name.endswith("_s")]
    if not isinstance(told, dict):
        return None
    values = {name: told.get(name) for name in names}
    if not all(isinstance(value, int | float) and 0 <= value < 1e6 for value in values.values()):
        return None
    return {name: round(float(value), 6) for name, value in values.items() if value is not None}


def to_json(times: RunTimes) -> list[dict[str, float]]:
    """The repetitions as plain data."""
    return [asdict(each) for each in times.repetitions]
