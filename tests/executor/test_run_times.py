"""Measured run times: of whole programs, of a module's forward pass, and of what does not end."""

import json
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from executor import run_times
from executor.harness.timing import Compilations
from executor.models import Measurement
from executor.parity import run_times as parity_run_times
from executor.parity.run_times import Pair, RunTimes, measure
from executor.sandbox import Job, JobResult, devices
from tests.factories import make_dataset, make_draft, make_example

PROGRAM = "import time\nimport torch\ntime.sleep(0.2)\nprint(torch.ones(3).sum())\n"
TRAINING = """
import time
import jax, jax.numpy as jnp
for n in range(2, 8):
    jax.jit(lambda x: jnp.sin(x @ x).sum())(jnp.ones((n, n)))
held = bytearray(200 << 20)
time.sleep(0.2)
"""
MODULE = """
import torch
from torch import nn
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
    def forward(self, x):
        return torch.tanh(self.layer(x))
def get_inputs():
    return [torch.randn(2, 4)]
"""
FLAX = """
import jax
import flax.linen as nn
class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jax.numpy.tanh(nn.Dense(3)(x))
"""
FORGED = """
import json, os
times = dict(wall_s=900.0, cpu_s=0.0, compile_s=0.0, steady_s=0.0)
open('/work/out/times.json', 'w').write(json.dumps({"error": None, "times": times}))
os._exit(0)
"""


def measured(reference: str, candidate: str | None, repeat: int = 1) -> RunTimes:
    return measure(Pair(reference, None, {}), candidate, repeat=repeat, limit_s=120)


def test_nested_compilations_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compilations = Compilations()
    for now, seconds, event in ((5, 1, "trace"), (6, 3, "trace"), (10, 2, "lower"), (12, 3, "run")):
        monkeypatch.setattr("executor.harness.timing.time.perf_counter", lambda now=now: float(now))
        name = "/jax/core/compile/" if event != "run" else "/jax/checkpoint/"
        compilations.note(name + event, seconds)
    assert compilations.seconds() == 5.0


def test_a_program_is_measured_with_compiling_apart() -> None:
    reference = measured(PROGRAM, None)
    assert (reference.kind, reference.outcome, reference.device) == ("program", "ok", "cpu")
    assert reference.repetitions[0].compile_s == 0
    assert reference.repetitions[0].wall_s >= 0.2
    candidate = measured(PROGRAM, TRAINING, repeat=2)
    assert (candidate.outcome, len(candidate.repetitions)) == ("ok", 2)
    for each in candidate.repetitions:
        assert each.compile_s > 0.01
        assert each.steady_s >= 0.2
        assert each.wall_s == pytest.approx(each.compile_s + each.steady_s, abs=1e-5)
        assert 0.01 < each.cpu_s < 60
        assert 200 < each.peak_memory_mb < 1500


def test_of_a_module_the_forward_pass_is_measured() -> None:
    for times in (measured(MODULE, None), measured(MODULE, FLAX)):
        assert (times.kind, times.outcome) == ("module", "ok"), times.message
        each = times.repetitions[0]
        assert 0 < each.steady_s < each.wall_s
        assert each.compile_s == pytest.approx(each.wall_s - each.steady_s, abs=1e-5)


@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        ("1 / 0\n", "error", "ZeroDivisionError: division by zero"),
        ("import os\nos._exit(0)\n", "error", "It ended before its end (exit code 0)."),
        (FORGED, "error", "The program changed the clock that measures it."),
        ("while True: pass\n", "timeout", "It ran longer than 2 s."),
    ],
)
def test_a_program_without_an_end_has_no_times(code: str, outcome: str, message: str) -> None:
    limit = 2.0 if outcome == "timeout" else 60.0
    times = measure(Pair(PROGRAM, None, {}), code, repeat=3, limit_s=limit)
    assert (times.outcome, times.message, times.repetitions) == (outcome, message, ())


def on_gpu(job: Job) -> JobResult:
    """What a box on a GPU would have told."""
    seconds = {"wall_s": 3.0, "cpu_s": 2.0, "compile_s": 1.0, "steady_s": 2.0}
    told = {"error": None, "times": seconds, "device_memory_mb": 64.125}
    files = {"times.json": json.dumps(told).encode()}
    return JobResult(
        *("exited", 0, None, "", "", files, 5.0, 2.0, 900.0, "namespaces", ""),
        device="cpu" if job.device == "cpu" else "gpu 0",
    )


def test_of_a_run_on_a_gpu_the_device_and_its_memory_are_told() -> None:
    pair = Pair(PROGRAM, None, {}, device="gpu")
    found = measure(pair, TRAINING, runner=on_gpu)
    assert (found.outcome, found.device) == ("ok", "gpu 0")
    assert found.median("device_memory_mb") == 64.125
    assert parity_run_times.to_json(found)[0]["device_memory_mb"] == 64.125


@pytest.mark.django_db
def test_the_command_names_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset("timed")
    make_example(dataset)
    monkeypatch.setattr(devices, "name", lambda gpu: f"NVIDIA GPU number {gpu}")
    monkeypatch.setattr(parity_run_times, "measure", partial(measure, runner=on_gpu))
    run_times.machine.cache_clear()
    told = StringIO()
    call_command("measure", "timed", device="gpu", stdout=told)
    run_times.machine.cache_clear()
    assert told.getvalue().rstrip().endswith("900 MB, 64 MB on NVIDIA GPU number 0")
    assert Measurement.objects.get().machine.startswith("NVIDIA GPU number 0, ")


@pytest.mark.django_db
def test_the_command_measures_what_has_not_been_measured() -> None:
    dataset = make_dataset("timed")
    example = make_example(dataset)
    make_draft("print(1 + 1)\n", example=example)
    told = StringIO()
    call_command("measure", "timed", repeat=2, stdout=told)
    assert [line.split()[1] for line in told.getvalue().splitlines()[1:]] == [
        "reference", "candidate",
    ]  # fmt: skip
    stored = {one.side: one for one in Measurement.objects.all()}
    candidate = stored["candidate"]
    assert (candidate.outcome, candidate.runtime, candidate.limit_s) == ("ok", "jax", 180.0)
    assert len(candidate.repetitions) == 2
    assert candidate.wall_s == pytest.approx(candidate.steady_s, abs=60)
    assert candidate.isolation.startswith("namespaces+seccomp")
    assert " cores, Linux" in candidate.machine
    call_command("measure", "timed", stdout=told)
    assert Measurement.objects.count() == 2
    call_command("measure", "timed", example=example.example_id, again=True, stdout=told)
    assert Measurement.objects.count() == 4
    assert run_times.newest_measurement(example) == Measurement.objects.filter(
        side="reference"
    ).latest("id")


@pytest.mark.django_db
def test_the_command_says_what_there_is_not() -> None:
    make_dataset("timed")
    with pytest.raises(CommandError, match="There is no dataset 'other'"):
        call_command("measure", "other")
    with pytest.raises(CommandError, match="has no example 'x'"):
        call_command("measure", "timed", example="x")
    with pytest.raises(CommandError, match="must be above 0"):
        call_command("measure", "timed", repeat=0)
