"""Which queues a worker may serve, and the command lines of workers."""

from pathlib import Path

import pytest

from executor import sandbox
from executor.sandbox import devices
from t2j_site.launch import programs, worker
from t2j_site.launch.folder import Folder


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(devices, "DEV", tmp_path)


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "DEV", tmp_path)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_only_the_cpu_is_served() -> None:
    assert worker.why_not(["cpu"]) == ""
    assert "no GPU" in worker.why_not(["gpu"])
    assert "no GPU" in worker.why_not(["cpu", "gpu"])
    assert programs.gpu_concurrency() == 0


@pytest.mark.usefixtures("two_gpus")
def test_one_run_a_gpu_unless_settings_say_otherwise(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worker.why_not(["gpu"]) == ""
    assert "--queues gpu --concurrency 2" in " ".join(programs.gpu_worker(folder, {}).argv)
    with monkeypatch.context() as covered:
        report = {"available": True, "level": "namespaces+seccomp+rlimits+memory-rlimit"}
        covered.setattr(sandbox, "isolation_report", lambda: report)
        assert "CUDA does not start without /proc" in worker.why_not(["gpu"])
    monkeypatch.setenv("T2J_RUNS_PER_GPU", "3")
    assert programs.gpu_concurrency() == 6
    monkeypatch.setenv("T2J_GPU_WORKERS", "0")
    assert programs.gpu_concurrency() == 0


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_whose_memory_cannot_be_used_yet_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "nvidia-uvm").unlink()
    assert "run `nvidia-modprobe -u -c 0`" in worker.why_not(["gpu"])


def test_a_worker_refuses_less_isolation_than_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_ISOLATION", "namespaces+teleportation")
    assert "teleportation" in worker.why_not(["cpu"])
    assert worker.why_not(["llm"]) == ""
