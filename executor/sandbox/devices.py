"""The host's NVIDIA GPUs: which there are, their device nodes, and who may use one now.

One run at a time has a device, over all workers of a host; T2J_RUNS_PER_GPU allows more.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from executor.runtimes import PROJECT

from .job import SandboxUnavailable

DEV = Path("/dev")
_SHARED_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
_LOOK_AGAIN_S = 0.2


def found() -> list[int]:
    """The numbers of this host's GPUs."""
    matches = (re.fullmatch(r"nvidia(\d+)", path.name) for path in DEV.glob("nvidia*"))
    return sorted(int(match[1]) for match in matches if match)


def nodes(gpu: int) -> list[str]:
    """The paths of the device nodes that a program needs to use this GPU and no other."""
    wanted = [f"nvidia{gpu}", *_SHARED_NODES]
    return [str(DEV / name) for name in wanted if (DEV / name).exists()]


def runs_per_gpu() -> int:
    """T2J_RUNS_PER_GPU, 1 by default; raises SandboxUnavailable when it is no number above 0."""
    text = os.environ.get("T2J_RUNS_PER_GPU", "1")
    if not text.isdecimal() or int(text) < 1:
        raise SandboxUnavailable(f"T2J_RUNS_PER_GPU is {text!r}; it must be a number from 1.")
    return int(text)


@contextmanager
def lent(go_on: Callable[[], None]) -> Iterator[int]:
    """A GPU with a free place, for as long as the block runs. Waits until there is one.

    `go_on` is called while it waits and may raise. Raises SandboxUnavailable where the host has
    no GPU.
    """
    if not found():
        raise SandboxUnavailable(
            "This run wants a GPU and this host has none (no /dev/nvidia0): start a worker of the "
            "queue `gpu` on a host with an NVIDIA driver, or send the run to the CPU."
        )
    while (held := _try_all()) is None:
        go_on()
        time.sleep(_LOOK_AGAIN_S)
    gpu, descriptor = held
    try:
        yield gpu
    finally:
        os.close(descriptor)


def _try_all() -> tuple[int, int] | None:
    folder = _locks()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in range(runs_per_gpu()):
        for gpu in found():
            descriptor = os.open(folder / f"gpu{gpu}-{place}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Of the open file: the kernel lets go of it when its process is killed.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
            else:
                return gpu, descriptor
    return None


def _locks() -> Path:
    if chosen := os.environ.get("T2J_GPU_LOCKS"):
        return Path(chosen)
    return Path(os.environ.get("T2J_DATA") or PROJECT / ".t2j") / "gpu-locks"
