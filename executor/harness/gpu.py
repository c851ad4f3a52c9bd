"""The GPU of a measured run: opened before the clock starts, asked afterwards what it held."""

from __future__ import annotations

from typing import Any

MEMORY = "device_memory_mb"


def start(side: str) -> None:
    """Opens the device, which takes a process longer than many programs take on it."""
    if side == "candidate":
        import jax

        jax.devices()
    else:
        import torch

        torch.zeros(1, device="cuda")
        torch.cuda.reset_peak_memory_stats()


def peak_mb(side: str) -> float:
    """The most MiB that arrays held on the device at once; what CUDA itself takes is left out."""
    if side == "candidate":
        import jax

        told: list[dict[str, Any]] = [one.memory_stats() or {} for one in jax.local_devices()]
        most = max(float(one.get("peak_bytes_in_use", 0)) for one in told)
    else:
        import torch

        most = float(torch.cuda.max_memory_allocated())
    return round(most / (1 << 20), 3)
