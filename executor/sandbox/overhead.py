"""What isolation costs: a program in a warm box against the same program in a warm process.

The warm process is the runtime's own interpreter, without any isolation, with the same packages
imported. Its first run of a program starts JAX's backend, as every box must; later runs have it.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from executor import runtimes

from .job import Job
from .runner import prepare, run

PLAIN = "import numpy as np\nprint((np.ones((64, 64)) @ np.ones((64, 64))).sum())\n"
COMPILED = (
    "import jax, jax.numpy as jnp\n"
    "print(jax.jit(lambda x: (x @ x).sum())(jnp.ones((64, 64))).block_until_ready())\n"
)
_WARM_PROCESS = """
import contextlib, importlib, io, json, sys, time
told = json.loads(sys.argv[1])
for name in told["preload"]:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
times = []
for _ in range(told["runs"]):
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(told["code"], "program.py", "exec"), {"__name__": "__main__"})
    times.append(time.perf_counter() - started)
print(json.dumps(times))
"""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Medians in seconds. `overhead_s` is boxed against the first run in a warm process."""

    boxed_s: float
    first_in_process_s: float
    later_in_process_s: float
    overhead_s: float

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 5) for name, value in asdict(self).items()}


def measure(code: str = PLAIN, *, runtime: str = "jax", runs: int = 30) -> Overhead:
    """Runs the program `runs` times in boxes, and in three warm processes.

    A box waits for its job as it does in a worker with a moment between two of them. Raises
    SandboxUnavailable, and CalledProcessError when the program fails outside of a box.
    """
    prepare(runtime)
    job = Job(runtime, "selftest_program", {"code.py": code.encode()})
    for _ in range(3):
        run(job)
    boxed = statistics.median(_timed(lambda: run(job)) for _ in range(runs))
    processes = [_in_process(code, runtime, runs) for _ in range(3)]
    first = statistics.median(times[0] for times in processes)
    later = statistics.median(time for times in processes for time in times[1:])
    return Overhead(boxed, first, later, boxed - first)


def _timed(call: Callable[[], object]) -> float:
    time.sleep(0.05)
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _in_process(code: str, runtime: str, runs: int) -> list[float]:
    described = runtimes.load(runtime)
    told = {"preload": list(described.preload), "code": code, "runs": runs}
    done = subprocess.run(
        [str(described.python), "-c", _WARM_PROCESS, json.dumps(told)],
        env=dict(described.env), capture_output=True, text=True, check=True,
    )  # fmt: skip
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times
