"""A reference module's recorded run: what the candidate may see, and what it may not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from executor.parity.arrays import Unreadable, read_json, read_packet
from executor.parity.cache import ReferenceCache, harness_version
from executor.parity.contract import Contract
from executor.parity.outcome import Reason
from executor.parity.program_reference import (
    DATA_PACKAGES,
    NETWORK_ERRORS,
    ReferenceTrouble,
    freeze,
    thaw,
)
from executor.sandbox.job import Job, JobResult, Limits

ENGINE = "modules-1"
RUNTIME = "torch"
SHARED = "shared.npz"
RECORDED = "recorded.npz"
Runner = Callable[[Job], JobResult]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One reference module, run and recorded.

    report   plain facts: modules, call order, constants used, cases, notes
    shared   the packet that goes to the candidate's box, unread
    visible  the same packet, read
    hidden   outputs, gradients, trained parameters; never leaves this process
    key      the hash of everything the run depends on
    """

    report: Mapping[str, Any]
    shared: bytes
    visible: Mapping[str, Any]
    hidden: Mapping[str, Any]
    result: JobResult
    key: str

    @property
    def sharp_case(self) -> str:
        """The inputs that gradients and training use."""
        cases = self.report["cases"]
        return next(case for case in ("signed", "fresh", "declared") if case in cases)


def observe(
    code: str,
    contract: Contract,
    files: Mapping[str, bytes],
    cache: ReferenceCache | None,
    runner: Runner,
) -> Recorded:
    """Run the reference, or take its run from the cache.

    Raises ReferenceTrouble when it fails, is not finite, or does not repeat itself.
    """
    key = content_key(code, contract, files)
    kept = cache.get(key) if cache is not None else None
    result = runner(job(code, contract, files)) if kept is None else thaw(kept)
    if kept is None and cache is not None and result.end == "exited":
        cache.put(key, freeze(result))
    return _read(result, key)


def content_key(code: str, contract: Contract, files: Mapping[str, bytes]) -> str:
    """The hash of everything a reference's run depends on."""
    digest = hashlib.sha256()
    for part in (ENGINE, harness_version(), code, json.dumps(_settings(contract), sort_keys=True)):
        digest.update(hashlib.sha256(part.encode()).digest())
    for name in sorted(files):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(files[name]).digest())
    return f"module-{digest.hexdigest()}"


def limits(contract: Contract) -> Limits:
    return Limits(wall_s=contract.wall_s, cpu_s=2 * contract.wall_s, memory_mb=contract.memory_mb)


def _settings(contract: Contract) -> dict[str, Any]:
    return {
        "seed": contract.seed,
        "constants": dict(contract.constants),
        "auto_constants": contract.auto_constants,
        "cases": list(contract.cases),
        "inputs": contract.inputs,
        "gradients": contract.gradients,
        "train_mode": contract.train_mode,
        "training_steps": contract.training_steps,
        "observe": contract.observe_reference,
    }


def job(code: str, contract: Contract, files: Mapping[str, bytes]) -> Job:
    """The job that runs the reference and records it."""
    settings = json.dumps(_settings(contract)).encode()
    return Job(
        runtime=RUNTIME,
        entry="reference_module",
        files={**files, "reference.py": code.encode(), "job.json": settings},
        limits=limits(contract),
    )


def _read(result: JobResult, key: str) -> Recorded:
    came_to_its_end(result)
    try:
        report = read_json(result.files, "report.json")
        if not report.get("ok"):
            raise failure(report)
        visible = read_packet(result.files, SHARED)
        hidden = read_packet(result.files, RECORDED)
    except Unreadable as error:
        raise ReferenceTrouble(
            Reason.REFERENCE_FAILS,
            f"The reference ended before it could be observed (exit code {result.exit_code}): "
            f"{error} Let it run to its end.",
        ) from error
    recorded = Recorded(report, result.files[SHARED], visible, hidden, result, key)
    _usable(recorded)
    return recorded


def came_to_its_end(result: JobResult) -> None:
    """Raises ReferenceTrouble unless the reference's process ended by itself."""
    if result.end == "infrastructure":
        raise ReferenceTrouble(
            Reason.INFRASTRUCTURE, f"Our own machinery broke: {result.detail} Run it again."
        )
    if result.end != "exited":
        raise ReferenceTrouble(
            Reason.REFERENCE_FAILS,
            f"The reference did not come to its end: {result.detail} Override its sizes in the "
            "contract's constants, or raise the limits.",
        )


def failure(report: Mapping[str, Any]) -> ReferenceTrouble:
    """What a reference's exception means for the verdict."""
    error = report.get("error") or {}
    name, text = str(error.get("type")), str(error.get("text"))[:500]
    details = {"traceback": str(error.get("traceback")), "exception_type": name}
    if error.get("ours") is True:
        return ReferenceTrouble(
            Reason.INFRASTRUCTURE,
            f"Our own machinery broke on the reference: {name}: {text}. Report this.",
            **details,
        )
    package = str(error.get("module") or "").split(".")[0]
    where = f" (line {error['line']})" if isinstance(error.get("line"), int) else ""
    if package in DATA_PACKAGES:
        return ReferenceTrouble(
            Reason.NEEDS_DATA,
            f"The reference takes its data from {package!r}, which is not here. Attach the data "
            "and read it from a file.",
            **details,
        )
    if name in ("ImportError", "ModuleNotFoundError"):
        return ReferenceTrouble(
            Reason.MISSING_PACKAGE,
            f"The reference needs a package that its runtime does not have: {text}",
            **details,
        )
    if name in NETWORK_ERRORS:
        return ReferenceTrouble(
            Reason.NEEDS_NETWORK,
            "The reference wants the network, and programs run without one. Attach what it "
            "downloads and read it from a file.",
            **details,
        )
    if name == "FileNotFoundError":
        return ReferenceTrouble(
            Reason.NEEDS_DATA,
            f"The reference reads a file that is not attached: {text}. Attach it.",
            **details,
        )
    return ReferenceTrouble(
        Reason.REFERENCE_FAILS, f"The reference itself fails: {name}: {text}{where}", **details
    )


def _usable(recorded: Recorded) -> None:
    """Raises ReferenceTrouble when what was recorded cannot serve for comparison."""
    if recorded.report.get("no_tensors"):
        raise ReferenceTrouble(
            Reason.NOTHING_COMPARED,
            "The reference's output holds no tensor, so there is nothing to compare. Return one, "
            "or write a contract with observe().",
        )
    if not recorded.report.get("deterministic"):
        raise ReferenceTrouble(
            Reason.REFERENCE_NOT_DETERMINISTIC,
            "Two calls of the reference differ, although every generator was seeded alike. Make "
            "its forward() depend on nothing but its inputs, parameters and seeded generators.",
        )
