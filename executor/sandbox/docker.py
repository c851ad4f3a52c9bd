"""The second kind of box: a Docker container for each run, plain or on gVisor's kernel.

For hosts that allow no user namespaces. Nothing is warm here, and the Docker daemon must see the
project's and the runtimes' folders under the paths that we see. `T2J_SANDBOX` chooses it;
`T2J_SANDBOX_IMAGE` names the image, of which nothing is used but that it is one.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

from executor.runtimes import Runtime

from . import isolation
from .boxes import GRACE_S, Outcome, message, most_bytes
from .inner import room, wire
from .job import Job, SandboxUnavailable
from .zygotes import ZygoteGone, plan_for

_ASK_S = 30.0
_CODE = (
    f"import sys; sys.path.append({room.HOME_OF_OURS!r}); "
    "from t2j_box.container import main; main()"
)
# What process 1 needs to lay files out for another user, to become it, and to end it.
_RIGHTS = ("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETPCAP", "SETUID")


class Container:
    """A container for one job; speaks as a box does."""

    warm = False

    def __init__(self, job: Job, runtime: Runtime, gpu: int | None) -> None:
        self.runtime, self.gpu = runtime, gpu
        self.isolation = level()
        self._name = f"t2j-{uuid.uuid4().hex}"
        self._venv = tempfile.TemporaryDirectory(prefix="t2j-venv-")
        self._sock, theirs = socket.socketpair()
        with theirs:
            command = run_command(job, runtime, gpu, self._name, Path(self._venv.name))
            self._client: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    def start(self, job: Job, cache: dict[str, bytes] | None) -> None:
        """Hands the job over; `cache` are its scope's entries, None when it has no scope."""
        self._sock.settimeout(job.limits.wall_s + GRACE_S)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.send(self._sock, *message(job, cache))

    def finish(self, job: Job) -> Outcome:
        """Waits for the end and returns what the container tells; raises ZygoteGone."""
        try:
            return wire.receive(self._sock, most_bytes(job.limits))
        except (OSError, wire.Closed) as error:
            raise ZygoteGone(self._said() or str(error)) from error

    def _said(self) -> str:
        """The last line of Docker's own complaint."""
        self._client.terminate()
        try:
            _, said = self._client.communicate(timeout=_ASK_S)
        except subprocess.TimeoutExpired:
            return "the `docker` command does not end"
        return (said.decode(errors="replace").strip().splitlines() or [""])[-1]

    def abandon(self) -> None:
        """From any thread: process 1 ends the job, and `finish` raises ZygoteGone."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends whatever still runs in the container, which Docker then removes."""
        self._sock.close()
        _ask("kill", self._name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._client.communicate(timeout=_ASK_S)
        self._client.kill()
        self._venv.cleanup()


def level() -> str:
    """The layers around a job, joined by +; whether runsc keeps to a group is its own setting."""
    kind = isolation.backend()
    return f"{kind}+seccomp+rlimits+{'memory-watcher' if kind == 'gvisor' else 'cgroup'}"


def image() -> str:
    return os.environ.get("T2J_SANDBOX_IMAGE") or "debian:12-slim"


def check() -> None:
    """Raises SandboxUnavailable with what is missing and how to get it."""
    if shutil.which("docker") is None:
        raise SandboxUnavailable("T2J_SANDBOX wants Docker and there is no `docker` command here.")
    told = _ask("info", "--format", "{{json .Runtimes}}")
    if told.returncode:
        said = told.stderr.strip().splitlines() or ["it does not say why"]
        raise SandboxUnavailable(f"Docker does not answer: {said[-1]}")
    if isolation.backend() == "gvisor" and "runsc" not in _names(told.stdout):
        raise SandboxUnavailable(
            "T2J_SANDBOX is gvisor and Docker knows no runtime `runsc`: install gVisor, then "
            "`runsc install` and restart Docker."
        )
    if _ask("image", "inspect", image()).returncode:
        raise SandboxUnavailable(f"Docker has no image {image()!r}: docker pull {image()}")


def run_command(job: Job, runtime: Runtime, gpu: int | None, name: str, venv: Path) -> list[str]:
    """The whole `docker run` of one job. `venv` is an empty folder; it is filled."""
    plan = plan_for(runtime, warm=False, gpu=None)
    limits = job.limits
    size = f"size={limits.work_mb}m"
    (venv / "lib").mkdir()
    room.write_venv(plan, str(venv))
    venv.chmod(0o755)
    bound = {room.RUNTIME: str(venv), **room.binds(plan)}
    command = ["docker", "run", "--rm", "--interactive", "--pull", "never", "--name", name]
    if isolation.backend() == "gvisor":
        command += ["--runtime", "runsc"]
    if gpu is not None:
        command += ["--gpus", f"device={gpu}"]
    command += ["--network", "none", "--ipc", "private", "--hostname", "sandbox", "--read-only"]
    command += ["--cap-drop", "ALL"]
    command += [part for right in _RIGHTS for part in ("--cap-add", right)]
    command += ["--security-opt", "no-new-privileges", "--user", "0:0", "--workdir", "/"]
    command += ["--memory", f"{limits.memory_mb}m", "--memory-swap", f"{limits.memory_mb}m"]
    command += ["--pids-limit", str(limits.processes + 2), "--cpus", "2"]
    command += ["--shm-size", f"{limits.work_mb}m", "--log-driver", "none"]
    for store, mode in (("/tmp", "1777"), ("/work", "755")):  # noqa: S108
        command += ["--tmpfs", f"{store}:rw,nosuid,nodev,exec,{size},mode={mode}"]
    for inside, source in bound.items():
        command += ["--mount", f"type=bind,source={source},target={inside},readonly"]
    for path in room.covered(plan.hide, bound):
        command += ["--tmpfs", f"{path}:ro,size=4k,mode=555"]
    for key, value in plan.environment.items():
        command += ["--env", f"{key}={value}"]
    return [*command, image(), f"{room.RUNTIME}/bin/python", "-s", "-P", "-B", "-c", _CODE]


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([], 1, "", str(error))


def _names(text: str) -> list[str]:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return []
    return list(found) if isinstance(found, dict) else []
