"""Runs on GPUs, as far as they show without one: settings, nodes in the box, who waits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from executor import run_times, runtimes, sandbox
from executor.runtimes import RuntimeUnavailable
from executor.sandbox import Job, SandboxUnavailable, Stop, Stopped, devices, groups
from executor.sandbox.inner.room import Plan, binds
from executor.sandbox.zygotes import Zygote, plan_for

LOOK = b"import os; print(*sorted(n for n in os.listdir('/dev') if n.startswith('nvidia')))"


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the nodes of two GPUs, which are plain files here."""
    nodes = tmp_path / "dev"
    nodes.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps", "nvram"):
        (nodes / name).touch()
    monkeypatch.setattr(devices, "DEV", nodes)
    monkeypatch.setenv("T2J_GPU_LOCKS", str(tmp_path / "locks"))
    return nodes


@pytest.fixture
def gpu_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU variant's settings over the CPU variant's packages."""
    folder = tmp_path / "runtimes"
    folder.mkdir()
    for name in ("jax", "jax-cuda"):
        (folder / name).symlink_to(runtimes.load("jax").prefix)
    monkeypatch.setenv("T2J_RUNTIMES", str(folder))


SHARED = b"""
import mmap
try:
    held = mmap.mmap(-1, 300 << 20)
    held.write(bytes(300 << 20))
    print("shared")
except PermissionError:
    print("refused")
"""


def go_on() -> None:
    raise Stopped("nobody waits")


def test_both_sides_have_an_optional_variant_that_takes_memory_by_need() -> None:
    assert runtimes.gpu_variant("torch") == "torch-cuda"
    jax = runtimes.describe(runtimes.gpu_variant("jax"))
    assert (jax.optional, jax.side, jax.env["XLA_PYTHON_CLIENT_PREALLOCATE"]) == (
        True, "candidate", "false",
    )  # fmt: skip
    assert jax.env["JAX_PLATFORMS"].split(",")[0] == "cuda"
    assert runtimes.gpu_variant("jax-cuda") == "jax-cuda"
    with pytest.raises(RuntimeUnavailable, match="has no variant for GPUs: send the run to the"):
        runtimes.gpu_variant("jax-0.4")


@pytest.mark.usefixtures("gpu_runtime")
def test_a_box_shows_one_gpu_and_only_when_the_job_wants_one(two_gpus: Path) -> None:
    files = {"code.py": LOOK + b"; print(os.environ.get('XLA_PYTHON_CLIENT_PREALLOCATE'))"}
    with devices.lent(go_on):
        result = sandbox.run(Job("jax", "selftest_program", files, device="gpu"), warm=False)
    assert (result.stdout, result.device) == ("nvidia-uvm nvidia1 nvidiactl\nfalse\n", "gpu 1")
    result = sandbox.run(Job("jax", "selftest_program", files))
    assert (result.stdout.split("\n")[0], result.device) == ("", "cpu")


def test_one_run_at_a_time_has_a_gpu(two_gpus: Path) -> None:
    with devices.lent(go_on) as first, devices.lent(go_on) as second:
        assert {first, second} == {0, 1}
        with pytest.raises(Stopped), devices.lent(go_on):
            pass
    with devices.lent(go_on) as again:
        assert again == 0


def test_settings_may_share_a_gpu(two_gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_RUNS_PER_GPU", "2")
    with (
        devices.lent(go_on) as first,
        devices.lent(go_on) as second,
        devices.lent(go_on) as third,
        devices.lent(go_on) as fourth,
    ):
        assert [first, second, third, fourth] == [0, 1, 0, 1]
    monkeypatch.setenv("T2J_RUNS_PER_GPU", "none")
    with pytest.raises(SandboxUnavailable, match=r"T2J_RUNS_PER_GPU is 'none'; it must be"):
        devices.runs_per_gpu()


@pytest.mark.usefixtures("gpu_runtime")
def test_a_host_without_a_gpu_says_where_the_run_can_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "DEV", tmp_path)
    with pytest.raises(SandboxUnavailable, match=r"this host has none .* send the run to the CPU"):
        sandbox.run(Job("jax", "selftest_program", {"code.py": LOOK}, device="gpu"), stop=Stop())


def test_a_gpu_without_its_memory_node_says_how_to_get_it(two_gpus: Path) -> None:
    (two_gpus / "nvidia-uvm").unlink()
    with (
        pytest.raises(SandboxUnavailable, match=r"nvidia-uvm, which is not there: run `nvidia-mo"),
        devices.lent(go_on),
    ):
        pass


@pytest.mark.usefixtures("gpu_runtime", "two_gpus")
def test_only_boxes_with_a_gpu_may_share_memory_that_a_watcher_cannot_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "find_place", lambda: None)
    jobs = {
        device: Job("jax", "selftest_program", {"code.py": SHARED}, device=device)
        for device in ("cpu", "gpu")
    }
    told = {device: sandbox.run(job, warm=False) for device, job in jobs.items()}
    assert (told["cpu"].stdout, told["gpu"].stdout) == ("refused\n", "shared\n")
    assert told["cpu"].isolation.endswith("+memory-watcher")
    assert told["gpu"].isolation.endswith("+gpu-memory-watcher")
    monkeypatch.setenv("T2J_ISOLATION", "memory-watcher")
    with pytest.raises(SandboxUnavailable, match="Settings demand memory-watcher"):
        sandbox.run(jobs["gpu"], warm=False)


@pytest.mark.usefixtures("gpu_runtime", "two_gpus")
def test_a_room_without_proc_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"proc": False, "uid": 0, "imports": {}}
    monkeypatch.setattr(Zygote, "_first_words", lambda _: facts)
    with pytest.raises(SandboxUnavailable, match="CUDA does not start without /proc"):
        Zygote(runtimes.load("jax", "gpu"), warm=False, gpu=0)


@pytest.fixture
def plan(gpu_runtime: None, two_gpus: Path) -> Callable[[], Plan]:
    """What a box with the first GPU shows."""
    return lambda: plan_for(runtimes.load("jax", "gpu"), warm=False, gpu=0)


def test_a_driver_that_the_linker_does_not_know_is_shown_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Callable[[], Plan]
) -> None:
    monkeypatch.setattr(devices, "LINKER_CACHE", tmp_path / "ld.so.cache")
    monkeypatch.setattr(devices, "_DRIVER_FOLDERS", ())
    own = tmp_path / "driver"
    own.mkdir()
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{tmp_path}:{own}")
    assert plan().driver == ""
    (own / "libcuda.so.1").touch()
    assert (plan().driver, binds(plan())[str(own)]) == (str(own), str(own))
    assert plan().environment["LD_LIBRARY_PATH"].split(":")[0] == str(own)
    assert plan_for(runtimes.load("jax"), warm=False, gpu=None).driver == ""


def test_a_driver_that_the_linker_knows_or_that_is_shown_anyway_is_not_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Callable[[], Plan]
) -> None:
    monkeypatch.setattr(devices, "LINKER_CACHE", tmp_path / "ld.so.cache")
    monkeypatch.setattr(devices, "_DRIVER_FOLDERS", (str(tmp_path),))
    (tmp_path / "libcuda.so.1").touch()
    assert plan().driver == str(tmp_path)
    assert "/usr/lib/wsl/lib" not in binds(replace(plan(), driver="/usr/lib/wsl/lib"))
    (tmp_path / "ld.so.cache").write_bytes(b"libcuda.so.1\0/usr/lib/libcuda.so.1\0")
    assert plan().driver == ""


def test_a_gpu_has_the_name_that_its_driver_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, minor, model in (("0000:00:06.0", 1, "NVIDIA A"), ("0000:00:07.0", 0, "NVIDIA B")):
        (tmp_path / folder).mkdir()
        text = f"Model: \t\t {model}\nIRQ:   \t\t 41\nDevice Minor: \t {minor}\n"
        (tmp_path / folder / "information").write_text(text)
    monkeypatch.setattr(devices, "DRIVER_FACTS", tmp_path)
    assert [devices.name(gpu) for gpu in (0, 1, 2)] == ["NVIDIA B", "NVIDIA A", "GPU"]
    assert run_times.machine("gpu 1") == f"NVIDIA A, {run_times.machine()}"[:200]
