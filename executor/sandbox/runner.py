"""Running one job: warm where it can be, cold where it must be."""

import contextlib
import time
from typing import Any

from executor import runtimes
from executor.runtimes import Runtime, RuntimeUnavailable

from . import compile_cache, devices, docker, groups, isolation, pool
from .boxes import Box, Outcome, isolation_of
from .job import Job, JobResult, SandboxUnavailable
from .stop import Stop
from .zygotes import Zygote, ZygoteGone


def run(job: Job, *, warm: bool = True, stop: Stop | None = None) -> JobResult:
    """Runs one job in a box of its own and returns how it ended.

    `warm` forks it from a process that has the runtime's packages imported; otherwise, and when
    that process is lost, a fresh interpreter is started. Raises SandboxUnavailable with a sentence
    for a person when no box can be had, and Stopped once `stop` is set.
    """
    stop = stop or Stop()
    stop.check()
    runtime = _load(job.runtime, job.device)
    if job.device == "cpu":
        return _run_on(job, runtime, None, warm, stop)
    with devices.lent(stop.check) as gpu:
        return _run_on(job, runtime, gpu, warm, stop)


def _run_on(job: Job, runtime: Runtime, gpu: int | None, warm: bool, stop: Stop) -> JobResult:
    if isolation.backend() != "namespaces":
        return _run_contained(job, runtime, gpu, stop)
    if warm:
        box = pool.shared.take(runtime, gpu)
        try:
            return _run_in(box, job, stop)
        except ZygoteGone as error:
            pool.shared.blame(box.zygote, error)
    return _run_cold(job, runtime, gpu, stop)


def prepare(*names: str) -> None:
    """Starts the warm processes of these runtimes, so that no job has to wait for them."""
    if isolation.backend() != "namespaces":
        return
    for name in names:
        runtime = _load(name)
        for gpu in devices.found() if runtime.gpu_variant_of else (None,):
            pool.shared.prepare(runtime, gpu)


def close() -> None:
    """Ends this process's warm processes and what runs in them."""
    pool.shared.close()


def _load(name: str, device: runtimes.Device = "cpu") -> Runtime:
    try:
        return runtimes.load(name, device)
    except RuntimeUnavailable as error:
        raise SandboxUnavailable(str(error)) from error


def _run_cold(job: Job, runtime: Runtime, gpu: int | None, stop: Stop) -> JobResult:
    zygote = Zygote(runtime, warm=False, gpu=gpu)
    try:
        return _run_in(Box(zygote), job, stop)
    except ZygoteGone as error:
        return _broken(f"The sandbox ended before the job did: {error}")
    finally:
        zygote.kill()


def _run_contained(job: Job, runtime: Runtime, gpu: int | None, stop: Stop) -> JobResult:
    docker.check()
    try:
        return _run_in(docker.Container(job, runtime, gpu), job, stop)
    except ZygoteGone as error:
        return _broken(f"The container ended before the job did: {error}")


def _run_in(box: Box | docker.Container, job: Job, stop: Stop) -> JobResult:
    scope, runtime, gpu = job.cache_scope, box.runtime, box.gpu
    with contextlib.closing(box), stop.ending(box):
        isolation.require(box.isolation)
        box.start(job, None if scope is None else compile_cache.read(runtime.name, scope))
        if box.warm:
            pool.shared.refill(runtime, gpu)
        told = box.finish(job)
    if scope is not None:
        compile_cache.add(runtime.name, scope, _named(told[1], "cache/"))
    return _result(job, told, box)


def _result(job: Job, told: Outcome, box: Box | docker.Container) -> JobResult:
    outcome, parts = told
    if "wall_s" not in outcome:
        return _broken(outcome["detail"])
    limit = job.limits.output_kb << 10
    return JobResult(
        end=outcome["end"],
        exit_code=outcome["exit_code"],
        signal=outcome["signal"],
        stdout=_text(parts["out"], limit),
        stderr=_text(parts["err"], limit),
        files=_named(parts, "file/"),
        wall_s=outcome["wall_s"],
        cpu_s=outcome["cpu_s"],
        peak_memory_mb=outcome["peak_memory_mb"],
        isolation=box.isolation,
        detail=outcome["detail"],
        device="cpu" if box.gpu is None else f"gpu {box.gpu}",
    )


def _named(parts: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    return {
        name.removeprefix(prefix): data for name, data in parts.items() if name.startswith(prefix)
    }


def _text(data: bytes, limit: int) -> str:
    text = data.decode("utf-8", errors="replace").replace("\0", "")
    return f"{text}\n[cut after {limit >> 10} KB]" if len(data) >= limit else text


def _broken(detail: str) -> JobResult:
    return JobResult("infrastructure", None, None, "", "", {}, 0.0, 0.0, 0.0, "none", detail)


def isolation_report() -> dict[str, Any]:
    """Tries one empty room: `level` says what is reached, `why` what settings demand beyond it."""
    started = time.monotonic()
    try:
        level = _reached()
    except SandboxUnavailable as error:
        return {"available": False, "level": "none", "why": str(error), "start_s": 0.0}
    took = time.monotonic() - started
    try:
        isolation.require(level)
    except SandboxUnavailable as error:
        return {"available": False, "level": level, "why": str(error), "start_s": took}
    return {"available": True, "level": level, "why": "", "start_s": took}


def require() -> None:
    """Raises SandboxUnavailable unless boxes can be had, with all the isolation demanded."""
    report = isolation_report()
    if not report["available"]:
        raise SandboxUnavailable(report["why"])


def _reached() -> str:
    if isolation.backend() != "namespaces":
        docker.check()
        return docker.level()
    reasons = []
    for name in runtimes.names():
        try:
            zygote = Zygote(_load(name), warm=False)
        except SandboxUnavailable as error:
            reasons.append(str(error))  # of the first, which every studio installs
            continue
        level = isolation_of(zygote, grouped=groups.find_place() is not None)
        zygote.kill()
        return level
    raise SandboxUnavailable(reasons[0] if reasons else "no runtime is described")
