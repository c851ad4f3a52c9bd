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
DRIVER_FACTS = Path("/proc/driver/nvidia/gpus")
LINKER_CACHE = Path("/etc/ld.so.cache")
_DRIVER = "libcuda.so.1"
# Where drivers lie that no linker cache tells of: containers, WSL, NixOS.
_DRIVER_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/run/opengl-driver/lib")
# Made by the first program of root that uses CUDA, not with the others.
_MEMORY_NODE = "nvidia-uvm"
_SHARED_NODES = ("nvidiactl", _MEMORY_NODE, "nvidia-uvm-tools")
_LOOK_AGAIN_S = 0.2

NO_PROC = (
    "CUDA does not start without /proc, and this container covers its own, so that boxes get none: "
    "start it with --security-opt systempaths=unconfined."
)


def found() -> list[int]:
    """The numbers of this host's GPUs."""
    matches = (re.fullmatch(r"nvidia(\d+)", path.name) for path in DEV.glob("nvidia*"))
    return sorted(int(match[1]) for match in matches if match)


def nodes(gpu: int) -> list[str]:
    """The paths of the device nodes that a program needs to use this GPU and no other."""
    wanted = [f"nvidia{gpu}", *_SHARED_NODES]
    return [str(DEV / name) for name in wanted if (DEV / name).exists()]


def missing_node() -> str:
    """What to do on a host whose GPUs are there but cannot be used yet, "" where they can."""
    if (DEV / _MEMORY_NODE).exists():
        return ""
    return (
        f"CUDA needs {DEV / _MEMORY_NODE}, which is not there: run `nvidia-modprobe -u -c 0` as "
        "root on this host (a container gets it with its GPUs)."
    )


def name(gpu: int) -> str:
    """What the driver calls this GPU, "GPU" where it does not say."""
    for path in DRIVER_FACTS.glob("*/information"):
        facts = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        if facts.get("Device Minor", "").strip() == str(gpu):
            return facts.get("Model", "GPU").strip()
    return "GPU"


def driver_folder() -> str | None:
    """The folder of the driver's libcuda that a program must be told of, None where it need not.

    The linker finds a driver of the system by itself; others are found by LD_LIBRARY_PATH, which a
    box does not take over from us.
    """
    if f"/{_DRIVER}\0".encode() in _read(LINKER_CACHE):
        return None
    told = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    folders = [folder for folder in (*told, *_DRIVER_FOLDERS) if folder.startswith("/")]
    return next((folder for folder in folders if Path(folder, _DRIVER).exists()), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


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
    no GPU, or none that programs can use.
    """
    if not found():
        raise SandboxUnavailable(
            "This run wants a GPU and this host has none (no /dev/nvidia0): start a worker of the "
            "queue `gpu` on a host with an NVIDIA driver, or send the run to the CPU."
        )
    if missing := missing_node():
        raise SandboxUnavailable(missing)
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
