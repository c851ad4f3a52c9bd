"""Runs on a real GPU. `./t2j test -m gpu` on a host that has one and the optional runtimes."""

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor import sandbox
from executor.parity import engine
from executor.parity.outcome import Kind, Outcome
from executor.parity.run_times import Pair, measure
from executor.runtimes import RuntimeUnavailable, load
from executor.sandbox import Job, JobResult, Limits, Stop, Stopped, devices, groups

pytestmark = pytest.mark.gpu

JAX = """
import os, socket
import jax, jax.numpy as jnp, numpy as np
a = np.random.default_rng(0).standard_normal((512, 512)).astype("f4")
product = np.asarray(jnp.asarray(a) @ jnp.asarray(a))
error = np.linalg.norm(product - a.astype("f8") @ a) / np.linalg.norm(product)
print(jax.default_backend(), len(jax.devices()), jax.devices("cpu")[0].platform, error < 2e-6)
"""
TORCH = """
import torch
a = torch.randn(512, 512)
product = (a.cuda() @ a.cuda()).cpu().double()
error = (product - a.double() @ a.double()).norm() / product.norm()
print(torch.cuda.device_count(), bool(error < 2e-6))
"""
SEEN = """
import os, socket
print(sorted(name for name in os.listdir("/dev") if name.startswith("nvidia")))
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError as error:
    print(type(error).__name__)
"""
SPAN = """
import time
began = time.time()
import jax.numpy as jnp
jnp.ones(8).block_until_ready()
time.sleep(1.5)
print(began, time.time())
"""
# Holds 4 GiB and computes without end.
HOG = """
import jax, jax.numpy as jnp
held = [jnp.ones((1 << 28,)).block_until_ready() for _ in range(4)]
print("held", flush=True)
def go_on(state):
    return state[0] + 1e-6, state[1] * 1.0000001
start = jnp.float32(0), held[0]
jax.lax.while_loop(lambda state: state[0] < 1e30, go_on, start)[1].block_until_ready()
"""
BOMB = """
import jax.numpy as jnp
held = []
while True:
    held.append(jnp.ones((1 << 30,)).block_until_ready())
"""
PINNED = """
import torch
held = []
while True:
    held.append(torch.ones(1 << 27, pin_memory=True))
"""
REFERENCE = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(64, 32)
x = torch.linspace(-1, 1, 64).reshape(1, 64)
with torch.no_grad():
    model.weight.copy_(torch.arange(2048.0).reshape(32, 64) / 2048)
    model.bias.zero_()
    y = torch.tanh(model(x))
print(f"{y.sum().item():.5f}")
"""
CANDIDATE = """
import jax, jax.numpy as jnp
x = jnp.linspace(-1, 1, 64).reshape(1, 64)
weight = jnp.arange(2048.0).reshape(32, 64) / 2048
y = jax.jit(lambda x: jnp.tanh(x @ weight.T))(x)
print(f"{y.sum():.5f}")
"""


@pytest.fixture(scope="module", autouse=True)
def _a_gpu() -> Iterator[None]:
    if not devices.found():
        pytest.skip("this host has no GPU")
    try:
        for name in ("jax", "torch"):
            load(name, "gpu")
    except RuntimeUnavailable as error:
        pytest.skip(str(error))
    yield
    sandbox.close()


@pytest.fixture
def no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an ordinary user without a delegated control group."""
    monkeypatch.setattr(groups, "find_place", lambda: None)


def on_gpu(code: str, side: str = "jax", wall_s: float = 60.0) -> Job:
    files = {"code.py": code.encode()}
    return Job(side, "selftest_program", files, Limits(wall_s=wall_s), device="gpu")


def candidate_on_gpu(job: Job) -> JobResult:
    return sandbox.run(replace(job, device="gpu") if job.runtime == "jax" else job)


def memory_mb() -> int:
    """What is in use on the first GPU, as its driver tells."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(told.split()[0])


@pytest.mark.parametrize("warm", [True, False])
def test_both_frameworks_open_the_device_in_the_box_and_keep_single_precision(warm: bool) -> None:
    result = sandbox.run(on_gpu(JAX), warm=warm)
    assert (result.stdout, result.device) == ("gpu 1 cpu True\n", "gpu 0"), result.stderr
    result = sandbox.run(on_gpu(TORCH, "torch"), warm=warm)
    assert (result.stdout, result.device) == ("1 True\n", "gpu 0"), result.stderr


@pytest.mark.usefixtures("no_groups")
def test_both_frameworks_run_without_a_control_group_and_say_what_holds_memory() -> None:
    for code, side, said in ((JAX, "jax", "gpu 1 cpu True\n"), (TORCH, "torch", "1 True\n")):
        result = sandbox.run(on_gpu(code, side), warm=False)
        assert result.stdout == said, result.stderr
        assert result.isolation.endswith("+gpu-memory-watcher")


def test_a_box_shows_one_device_and_no_network() -> None:
    nodes, error = sandbox.run(on_gpu(SEEN)).stdout.splitlines()
    assert nodes == str(sorted(Path(node).name for node in devices.nodes(0)))
    assert error == "OSError"


def spans(results: list[JobResult]) -> list[tuple[float, float]]:
    return sorted((float(a), float(b)) for a, b in (one.stdout.split() for one in results))


@pytest.mark.parametrize("places", [1, 2])
def test_runs_wait_for_a_place_on_the_device(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_RUNS_PER_GPU", str(places))
    monkeypatch.setattr(devices, "found", lambda: [0])
    sandbox.run(on_gpu("print()"))
    results: list[JobResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(sandbox.run(on_gpu(SPAN)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (_, first_end), (second_start, _) = spans(results)
    assert (second_start < first_end) == (places == 2)


def test_memory_is_taken_by_need() -> None:
    before, most = memory_mb(), 0
    thread = threading.Thread(target=sandbox.run, args=(on_gpu(SPAN),))
    thread.start()
    while thread.is_alive():
        most = max(most, memory_mb())
        time.sleep(0.1)
    assert 0 < most - before < 2000


def test_a_stopped_run_has_let_go_of_the_device_before_the_next_one_gets_it() -> None:
    before, stop = memory_mb(), Stop()
    seen: list[int] = []

    def hog() -> None:
        with pytest.raises(Stopped):
            sandbox.run(on_gpu(HOG), stop=stop)
        seen.append(memory_mb())

    thread = threading.Thread(target=hog)
    thread.start()
    patience = time.monotonic() + 50
    while memory_mb() < before + 4096 and time.monotonic() < patience:
        time.sleep(0.2)
    assert memory_mb() >= before + 4096
    stop.set()
    thread.join(20)
    assert seen[0] < before + 500


def test_a_program_that_computes_without_end_is_ended_and_the_device_is_free() -> None:
    before = memory_mb()
    result = sandbox.run(on_gpu(HOG, wall_s=15))
    assert (result.end, result.stdout) == ("timeout", "held\n"), result.stderr
    assert memory_mb() < before + 500
    assert sandbox.run(on_gpu(JAX)).stdout == "gpu 1 cpu True\n"


def test_a_bomb_of_device_memory_is_told_as_one_and_the_next_run_works() -> None:
    verdict = engine.verify("import torch\nprint(torch.ones(3))\n", BOMB, runner=candidate_on_gpu)
    assert (verdict.outcome, verdict.kind) == (Outcome.FAIL, Kind.OUT_OF_MEMORY)
    assert sandbox.run(on_gpu(JAX)).stdout == "gpu 1 cpu True\n"


def test_pinned_memory_of_the_host_counts() -> None:
    assert sandbox.run(on_gpu(PINNED, "torch")).end == "memory"


@pytest.mark.usefixtures("no_groups")
def test_pinned_memory_of_the_host_is_seen_without_a_control_group() -> None:
    assert sandbox.run(on_gpu(PINNED, "torch"), warm=False).end == "memory"


def test_a_verdict_is_the_same_on_both_devices() -> None:
    wrong = CANDIDATE.replace("jnp.tanh", "jnp.sin")
    for candidate, outcome in ((CANDIDATE, Outcome.PASS), (wrong, Outcome.FAIL)):
        assert engine.verify(REFERENCE, candidate).outcome == outcome
        assert engine.verify(REFERENCE, candidate, runner=candidate_on_gpu).outcome == outcome


def test_run_times_tell_the_device_and_what_was_held_there() -> None:
    pair = Pair(REFERENCE, None, {}, device="gpu")
    found = measure(pair, CANDIDATE)
    assert (found.outcome, found.device) == ("ok", "gpu 0"), found.message
    assert found.repetitions[0].compile_s > 0
    assert 0 < found.repetitions[0].device_memory_mb < 500
    # It names no device, so it stays on the CPU.
    reference = measure(pair, None)
    assert (reference.outcome, reference.repetitions[0].device_memory_mb) == ("ok", 0)
    assert devices.name(0) != "GPU"
