"""Thousands of runs through warm boxes, and what they leave: nothing may grow.

    .venv/bin/python benchmarks/soak.py [--runs 2000] [--threads 2] [--write]

Mixes runs that end well with ones that fail, overrun, fork and fill their disk. Memory, open
files, processes, mounts and files are compared between the first tenth and the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from executor import sandbox  # noqa: E402 - needs the path above
from executor.sandbox import leaks  # noqa: E402
from executor.sandbox.job import Job, Limits  # noqa: E402

QUICK = Limits(wall_s=0.5, memory_mb=512, work_mb=8, processes=16)
PATIENT = Limits(wall_s=60, memory_mb=512, work_mb=8, processes=16)
# Program, how it must end, its limits.
PROGRAMS = (
    (b"print(1)", "exited", PATIENT),
    (b"import numpy as np; np.save('/work/out/a.npy', np.ones((256, 256)))", "exited", PATIENT),
    (b"raise ValueError('x')", "exited", PATIENT),
    (b"import os; os.fork(); os.setsid(); print(1)", "exited", PATIENT),
    (b"import os; os.kill(os.getpid(), 9)", "signal", PATIENT),
    (b"print('x' * (4 << 20))", "output", PATIENT),
    (b"from multiprocessing import shared_memory as s; s.SharedMemory(create=True, size=1 << 20)",
     "exited", PATIENT),
    (b"open('/tmp/x', 'wb').write(bytes(16 << 20))", "exited, disk", PATIENT),
    (b"while True: pass", "timeout", QUICK),
)  # fmt: skip


def run(number: int) -> None:
    code, ends, limits = PROGRAMS[number % len(PROGRAMS)]
    runtime = "torch" if number % 10 == 0 else "jax"
    scope = f"soak-{number % 3}" if number % 4 == 0 else None
    result = sandbox.run(Job(runtime, "selftest_program", {"code.py": code}, limits, scope))
    if result.end not in ends.split(", "):
        raise SystemExit(f"Run {number} ended as {result.end}, not {ends}: {result.detail}")


def rounds(first: int, count: int, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(first, first + count)):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="keep the table in soak.md")
    chosen = parser.parse_args()
    warm_up = max(len(PROGRAMS) * 4, chosen.runs // 10)
    rounds(0, warm_up, chosen.threads)
    before, began = leaks.settled(), time.monotonic()
    rounds(warm_up, chosen.runs - warm_up, chosen.threads)
    took, after = time.monotonic() - began, leaks.settled()
    table = report(before, after, warm_up, chosen.runs, took)
    print(table)
    if chosen.write:
        (ROOT / "benchmarks" / "soak.md").write_text(table)
    grown = leaks.grown(before, after)
    sandbox.close()
    if grown:
        raise SystemExit(f"Not flat: {', '.join(grown)}.")


def report(
    before: leaks.Snapshot, after: leaks.Snapshot, first: int, runs: int, took: float
) -> str:
    rows = [
        f"| {name.replace('_', ' ')} | {was:g} | {now:g} |"
        for (name, was), now in zip(before.items(), after.values(), strict=True)
    ]
    head = f"# Soak: {runs} runs\n\n| left | after {first} runs | after {runs} runs |\n"
    rate = (runs - first) / took
    return "\n".join([head + "| --- | --- | --- |", *rows, "", f"{rate:.1f} runs a second.", ""])


if __name__ == "__main__":
    main()
