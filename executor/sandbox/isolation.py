"""The layers around a job: what each holds, what settings demand, and what is missing.

A level is the names of its layers joined by +, as in every JobResult. T2J_ISOLATION names layers
that a box must have; without them nothing runs.
"""

import os
import platform
from dataclasses import dataclass

from .job import SandboxUnavailable

BACKENDS = ("namespaces", "docker", "gvisor")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: what it does in words, how to get it, which weaker layers it stands in for."""

    name: str
    does: str
    how: str
    covers: tuple[str, ...] = ()


_IN_DOCKER = "set T2J_SANDBOX=docker and let the worker use Docker"
LAYERS = {
    layer.name: layer
    for layer in (
        Layer(
            "namespaces",
            "own processes, mounts, network and users, made by the kernel",
            "allow user namespaces and set T2J_SANDBOX=namespaces",
        ),
        Layer("docker", "a container of its own for each run", _IN_DOCKER),
        Layer(
            "gvisor",
            "a kernel of its own, written for isolation, for each run",
            "install gVisor's runsc as a Docker runtime and set T2J_SANDBOX=gvisor",
            covers=("docker",),
        ),
        Layer("seccomp", "dangerous system calls refused", "use Linux 5.8 or newer"),
        Layer("rlimits", "time, processes, files and output limited", "use Linux 5.8 or newer"),
        Layer("memory-rlimit", "memory of each process limited", "use Linux 5.8 or newer"),
        Layer(
            "memory-watcher",
            "memory of all processes together watched, a moment late",
            "let the container keep its /proc (--security-opt systempaths=unconfined)",
            covers=("memory-rlimit",),
        ),
        Layer(
            "gpu-memory-watcher",
            "memory of all processes together watched; the shared memory that CUDA needs lets a"
            " program hide some",
            "let the container keep its /proc (--security-opt systempaths=unconfined)",
        ),
        Layer(
            "cgroup",
            "memory of all processes together held by the kernel",
            "start the worker as root, or as a systemd service with Delegate=memory and"
            " DelegateSubgroup=worker",
            covers=("memory-watcher", "memory-rlimit", "gpu-memory-watcher"),
        ),
    )
}


def layers(level: str) -> list[Layer]:
    """The layers of a level, for people to read; unknown names are left out."""
    return [LAYERS[name] for name in level.split("+") if name in LAYERS]


def backend() -> str:
    """T2J_SANDBOX, the chosen kind of box; raises SandboxUnavailable for one that cannot be."""
    if platform.system() != "Linux":
        raise SandboxUnavailable(
            f"Programs run in boxes of Linux, and this is {platform.system()}: run the studio in a "
            "Linux virtual machine or container, as docs/sandbox.md says."
        )
    chosen = os.environ.get("T2J_SANDBOX") or BACKENDS[0]
    if chosen not in BACKENDS:
        raise SandboxUnavailable(f"T2J_SANDBOX is {chosen!r}; known: {', '.join(BACKENDS)}.")
    return chosen


def demanded() -> tuple[str, ...]:
    """The layers that settings demand: those of T2J_ISOLATION beside what no box goes without."""
    chosen = os.environ.get("T2J_ISOLATION") or ""
    names = [name.strip() for name in chosen.split("+") if name.strip()]
    for name in names:
        if name not in LAYERS:
            known = ", ".join(LAYERS)
            raise SandboxUnavailable(f"T2J_ISOLATION names {name!r}; known layers: {known}.")
    return tuple(dict.fromkeys((backend(), "seccomp", "rlimits", *names)))


def require(level: str) -> None:
    """Raises SandboxUnavailable, with what is missing and how to get it."""
    reached = layers(level)
    held = {name for layer in reached for name in (layer.name, *layer.covers)}
    missing = [LAYERS[name] for name in demanded() if name not in held]
    if missing:
        ways = "; ".join(f"for {layer.name}, {layer.how}" for layer in missing)
        raise SandboxUnavailable(
            f"Settings demand {' and '.join(layer.name for layer in missing)} around every run "
            f"and this machine reaches only {level}. Nothing is run with less: {ways}."
        )
