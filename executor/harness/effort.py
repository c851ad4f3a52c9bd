"""How hard XLA works on what a candidate compiles.

A verdict runs most compiled code a few times, and compiling it with all optimisation takes two to
four times as long as without: for a small program that is most of its run. Code that a reference of
the same work shows to be long is worth it. Run times are measured by other entries, with all of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

LITTLE = "--xla_backend_optimization_level=0"
# Fused loops by way of MLIR are half of what compiling a small program takes. A JAX that does not
# know a flag ends its process, so each version is tried before it stands here.
LESS = " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
KNOW_LESS = ("0.10",)
# Processor seconds of the reference. Code that is not optimised takes up to three times as long.
LONG_S = 10.0


def is_worth_it(reference_s: float) -> bool:
    """Whether a candidate of a reference that computes so many seconds is optimised in full."""
    return reference_s > LONG_S


def spare(settings: Mapping[str, Any]) -> None:
    """Call before JAX opens its device: the flags are read then, once."""
    if not settings["optimise"] and os.environ.get("JAX_PLATFORMS") == "cpu":
        os.environ["XLA_FLAGS"] = flags(version("jaxlib"))


def flags(jaxlib: str) -> str:
    """What a version of jaxlib is told to leave out."""
    return LITTLE + LESS if jaxlib.rpartition(".")[0] in KNOW_LESS else LITTLE
