"""Measured run times of an example's programs, stored: what run-time tables are made from."""

import os
import platform
from functools import cache
from pathlib import Path

from django.conf import settings

from curation.models import Example
from curation.models.base import sha256
from executor.contracts import contract_of, files_of, hash_of, runtime_or_default
from executor.models import Measurement
from executor.parity import run_times
from executor.parity.cache import DiskCache
from executor.parity.module_reference import RUNTIME as REFERENCE_RUNTIME
from executor.sandbox import devices
from executor.sandbox.job import Device

FIELDS = ("wall_s", "cpu_s", "compile_s", "steady_s", "peak_memory_mb")


def measure_example(
    example: Example,
    code: str | None = None,
    *,
    repeat: int = 1,
    limit_s: float = run_times.LIMIT_S,
    runtime: str | None = None,
    device: Device = "cpu",
) -> Measurement:
    """Measure a candidate's code, or the reference when that is None, and store what was found.

    Runs here and now, one box after another: programs beside it would slow it down. Raises
    ContractError for a stored contract that is none, SandboxUnavailable where nothing can run.
    """
    pair = run_times.Pair(
        example.pytorch_code,
        contract_of(example),
        files_of(example),
        runtime_or_default(runtime),
        device,
    )
    found = run_times.measure(
        pair,
        code,
        repeat=repeat,
        limit_s=limit_s,
        cache=DiskCache(settings.T2J_REFERENCE_CACHE),
    )
    return Measurement.objects.create(
        **_key(example, code, runtime, device),
        contract_hash=hash_of(example),
        kind=found.kind,
        outcome=found.outcome,
        message=found.message,
        limit_s=limit_s,
        repetitions=run_times.to_json(found),
        machine=machine(found.device),
        isolation=found.isolation,
        **{name: found.median(name) for name in FIELDS},
    )


def newest_measurement(
    example: Example,
    code: str | None = None,
    *,
    runtime: str | None = None,
    device: Device = "cpu",
) -> Measurement | None:
    """The last measurement of a candidate's code, or of the reference, under today's contract."""
    key = _key(example, code, runtime, device)
    return Measurement.objects.filter(**key, contract_hash=hash_of(example)).first()


def _key(
    example: Example, code: str | None, runtime: str | None, device: Device
) -> dict[str, object]:
    return {
        "example": example,
        "side": "reference" if code is None else "candidate",
        "code_hash": sha256(example.pytorch_code if code is None else code),
        "runtime": REFERENCE_RUNTIME if code is None else runtime_or_default(runtime),
        "device": device,
    }


@cache
def machine(device: str = "cpu") -> str:
    """This machine in words, with the GPU of a run there: times of different ones don't compare.

    `device` is a JobResult's.
    """
    cores = len(os.sched_getaffinity(0))
    words = f"{_processor()}, {cores} cores, {platform.system()} {platform.release()}"
    if device == "cpu":
        return words
    return f"{devices.name(int(device.removeprefix('gpu ')))}, {words}"[:200]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
