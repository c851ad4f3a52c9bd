"""Runs on GPUs, as far as they show without one: settings, nodes in the box, who waits."""

from pathlib import Path

import pytest

from executor import runtimes, sandbox
from executor.runtimes import RuntimeUnavailable
from executor.sandbox import Job, SandboxUnavailable, Stop, Stopped, devices

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
