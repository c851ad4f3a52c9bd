"""What recording and replaying a program's randomness costs, beside its plain run.

    .venv/bin/python benchmarks/programs.py [--write] [FOLDER ...]

For the right translation of every program of the sample: CPU seconds of one run of the reference
with its draws recorded and of the candidate with them replayed, each against the same program in
the same box without. The least of three runs counts; compiled code is not kept between them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from executor import sandbox  # noqa: E402 - needs the path above
from executor.parity.engine import verify  # noqa: E402
from executor.sandbox.job import Job, JobResult  # noqa: E402
from fixtures.programs.pairs import Case, cases  # noqa: E402

REPEATS = 3
# The box lays files into a folder that programs cannot write to.
PLAIN = """
import os, shutil, runpy
shutil.copytree("/work/in", "/work/run")
os.chdir("/work/run")
os.environ["MPLBACKEND"] = "agg"
runpy.run_path("program.py", run_name="__main__")
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the four runs."""

    name: str
    reference: float
    recorded: float
    candidate: float
    replayed: float

    @property
    def ratios(self) -> tuple[float, float]:
        return self.recorded / self.reference, self.replayed / self.candidate


def measure(case: Case) -> Cost:
    """Raises RuntimeError when the verdict is no pass: then the costs mean nothing."""
    jobs: dict[str, Job] = {}

    def runner(job: Job) -> JobResult:
        jobs.setdefault(job.runtime, replace(job, cache_scope=None))
        return sandbox.run(job)

    verdict = verify(case.reference, case.candidate, files=case.files, runner=runner)
    if verdict.outcome != "pass":
        raise RuntimeError(f"{case.name}: {verdict.message}")
    return Cost(
        case.folder,
        least(plain("torch", case.reference, case)),
        least(jobs["torch"]),
        least(plain("jax", case.candidate, case)),
        least(jobs["jax"]),
    )


def plain(runtime: str, code: str, case: Case) -> Job:
    files = {**case.files, "code.py": PLAIN.encode(), "program.py": code.encode()}
    return Job(runtime, "selftest_program", files)


def least(job: Job) -> float:
    """CPU seconds of the quickest run. Raises RuntimeError when one does not come to its end."""
    results = [sandbox.run(job) for _ in range(REPEATS)]
    for result in results:
        if result.end != "exited" or result.exit_code:
            raise RuntimeError(f"{job.entry} ended by {result.end}: {result.stderr[-500:]}")
    return min(result.cpu_s for result in results)


def table(costs: Sequence[Cost]) -> str:
    lines = [
        "| program | reference | recorded | ratio | candidate | replayed | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cost in costs:
        first, second = cost.ratios
        lines.append(
            f"| {cost.name} | {cost.reference:.2f} s | {cost.recorded:.2f} s | {first:.2f} "
            f"| {cost.candidate:.2f} s | {cost.replayed:.2f} s | {second:.2f} |"
        )
    for words, choose in (("median", statistics.median), ("largest", max)):
        ratios = [choose([cost.ratios[side] for cost in costs]) for side in (0, 1)]
        lines.append(f"| {words} | | | {ratios[0]:.2f} | | | {ratios[1]:.2f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    chosen = [argument for argument in arguments if not argument.startswith("-")]
    costs = []
    for case in cases():
        wanted = not chosen or case.folder in chosen
        if wanted and not case.defect and case.translation == "fixed":
            costs.append(measure(case))
            print(table(costs[-1:]).splitlines()[2], flush=True)
    words = f"{__doc__.strip().splitlines()[0]}\n\n{table(costs)}\n"
    print(table(costs))
    if "--write" in arguments:
        (Path(__file__).parent / "programs.md").write_text(f"# {words}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
