"""Boxes of Docker: the words for `docker`, and jobs run by a stand-in that makes the container."""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor import runtimes, sandbox
from executor.sandbox import Job, Limits, SandboxUnavailable, Stop, Stopped

from .expected import FOLDER, Ended, Expected
from .host import clean_host

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the stand-in needs root")
LEVEL = "docker+seccomp+rlimits+cgroup"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in as the only `docker`; returns the folder of its state."""
    programs = tmp_path / "bin"
    programs.mkdir()
    script = Path(__file__).with_name("fake_docker.py")
    (programs / "docker").write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    (programs / "docker").chmod(0o755)
    (tmp_path / "runtimes").write_text('{"runc": {}}')
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_DOCKER", str(tmp_path))
    monkeypatch.setenv("T2J_SANDBOX", "docker")
    monkeypatch.setenv("T2J_SANDBOX_IMAGE", "an-image")
    return tmp_path


def program(code: str) -> Job:
    return Job("jax", "selftest_program", {"code.py": code.encode()}, Limits(memory_mb=700))


@needs_root
def test_a_job_runs_in_a_container_and_gives_its_results(docker: Path) -> None:
    code = (
        "import os, sys\nopen('/work/out/n', 'w').write('1')\n"
        "print(os.getuid(), os.getcwd(), len(os.listdir('/work/in')))\nsys.exit(3)\n"
    )
    with clean_host():
        result = sandbox.run(program(code))
    assert (result.end, result.exit_code, result.detail) == ("exited", 3, "")
    assert (result.stdout, dict(result.files)) == ("65534 /work 1\n", {"n": b"1"})
    assert result.isolation == LEVEL
    said = json.loads((docker / "said").read_text())
    assert (said["memory"], said["memory_swap"], said["pids_limit"]) == ("700m", "700m", "130")
    assert said["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETPCAP", "SETUID"]
    assert not list(docker.glob("t2j-*"))
    report = sandbox.isolation_report()
    assert (report["available"], report["level"]) == (True, LEVEL)


HELD = (
    "gains_rights", "host_files", "other_environments", "kills_everything", "endless_loop",
    "output_flood", "disk_filler", "memory_bomb", "local_services", "chroot_out", "links_swapped",
)  # fmt: skip


@needs_root
@pytest.mark.parametrize("name", HELD)
@pytest.mark.usefixtures("docker")
def test_hostile_programs_are_contained_there_too(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    expected = Expected.read(text)
    with clean_host():
        result = sandbox.run(expected.job(text))
    expected.check(Ended.of(result))


@needs_root
def test_a_stopped_job_ends_its_container(docker: Path) -> None:
    stop, started = Stop(), threading.Event()
    with clean_host(), ThreadPoolExecutor(1) as threads:
        job = program("import time; time.sleep(600)")
        running = threads.submit(sandbox.run, job, stop=stop)
        while not list(docker.glob("t2j-*")) and not running.done():
            started.wait(0.05)
        stop.set()
        with pytest.raises(Stopped):
            running.result()


def test_the_words_for_gvisor_and_for_a_gpu(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_SANDBOX", "gvisor")
    job = program("pass")
    (docker / "venv").mkdir()
    words = sandbox.docker.run_command(job, runtimes.load("jax"), 1, "name", docker / "venv")
    assert words[words.index("--runtime") + 1] == "runsc"
    assert words[words.index("--gpus") + 1] == "device=1"
    assert not [word for word in words if word.startswith(("--privileged", "/var/run"))]
    with pytest.raises(SandboxUnavailable, match="Docker knows no runtime `runsc`: install gV"):
        sandbox.require()


def test_what_is_missing_is_said(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_SANDBOX_IMAGE", "other")
    with pytest.raises(SandboxUnavailable, match="Docker has no image 'other': docker pull other"):
        sandbox.run(program("pass"))
    (docker / "bin" / "docker").write_text("#!/bin/sh\necho no daemon >&2\nexit 1\n")
    with pytest.raises(SandboxUnavailable, match="Docker does not answer: no daemon"):
        sandbox.require()
    (docker / "bin" / "docker").unlink()
    with pytest.raises(SandboxUnavailable, match="there is no `docker` command here"):
        sandbox.require()
