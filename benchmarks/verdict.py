"""Time of a verdict against the plain way: two fresh Python processes and an allclose.

    .venv/bin/python benchmarks/verdict.py [--write]

The plain way runs each module once, in its own process, on its own random parameters, and compares
one output. A verdict carries parameters over and compares outputs on four inputs, train mode,
gradients and a short training, inside a sandbox, after rejecting impostors.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from executor import sandbox  # noqa: E402 - needs the path above
from executor.parity import engine  # noqa: E402
from executor.parity.cache import DiskCache  # noqa: E402

CASES = ROOT / "fixtures" / "parity" / "cases"
MODULES = ("rmsnorm", "mlp", "cnn", "transformer_block", "unet")
REPEATS = 3
PLAIN_TORCH = """
import sys, runpy, numpy, torch
space = runpy.run_path(sys.argv[1])
model = space["Model"](*space.get("get_init_inputs", list)())
numpy.save(sys.argv[2], model(*space["get_inputs"]()).detach().numpy())
"""
PLAIN_JAX = """
import sys, runpy, numpy, jax
space = runpy.run_path(sys.argv[1])
model = space["Model"](*space.get("get_init_inputs", list)())
inputs = space["get_inputs"]()
variables = model.init(jax.random.PRNGKey(0), *inputs)
numpy.save(sys.argv[2], numpy.asarray(model.apply(variables, *inputs)))
"""


def plain(folder: Path, candidate: Path) -> float:
    """Seconds for two fresh processes, one after the other, and the comparison."""
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        for runtime, code, source in (
            ("torch", PLAIN_TORCH, folder / "reference.py"),
            ("jax", PLAIN_JAX, candidate),
        ):
            python = ROOT / ".runtimes" / runtime / "bin" / "python"
            subprocess.run(
                [python, "-c", code, source, f"{name}/{runtime}.npy"],
                check=True,
                capture_output=True,
            )
        np.allclose(np.load(f"{name}/torch.npy"), np.load(f"{name}/jax.npy"))
        return time.perf_counter() - started


def verdict(folder: Path, candidate: Path, cache: DiskCache | None) -> float:
    started = time.perf_counter()
    found = engine.verify((folder / "reference.py").read_text(), candidate.read_text(), cache=cache)
    if found.outcome != "pass":
        raise SystemExit(f"{candidate}: {found.message}")
    return time.perf_counter() - started


def measure(name: str, scratch: Path) -> list[str]:
    """One row of the table: medians in seconds."""
    folder = CASES / name
    candidate = folder / "right_linen.py"
    cache = DiskCache(scratch / name)
    length = (folder / "reference.py").read_text().count("\n")
    simple = statistics.median(plain(folder, candidate) for _ in range(REPEATS))
    cold = statistics.median(verdict(folder, candidate, None) for _ in range(REPEATS))
    verdict(folder, candidate, cache)
    known = statistics.median(verdict(folder, candidate, cache) for _ in range(REPEATS))
    return [
        name,
        str(length),
        f"{simple:.1f}",
        f"{cold:.1f}",
        f"{known:.1f}",
        f"{known / simple:.2f}",
    ]


def main() -> None:
    sandbox.run(sandbox.Job(runtime="jax", entry="candidate_module"))
    heads = ["module", "lines", "plain, s", "verdict, s", "verdict, known reference, s", "ratio"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    with tempfile.TemporaryDirectory() as scratch:
        for name in MODULES:
            lines.append("| " + " | ".join(measure(name, Path(scratch))) + " |")
            print(lines[-1], flush=True)
    if "--write" in sys.argv:
        (ROOT / "benchmarks" / "verdict.md").write_text(HEAD + "\n".join(lines) + "\n")
    sandbox.close()


HEAD = """# What a verdict costs

Medians of three, by `benchmarks/verdict.py`, on two shared CPU cores. *plain*: two fresh Python
processes, one forward pass each, and an allclose. *verdict*: everything that a verdict does, with
warm runtimes. *known reference*: the same with the reference's recorded run in the cache, which is
what each further fix step costs. *ratio*: known reference to plain.

"""

if __name__ == "__main__":
    main()
