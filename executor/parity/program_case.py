"""Two programs on their way to a verdict, and a way to share their draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.parity.contract import Contract
from executor.parity.program_reference import ReferenceRuns
from executor.parity.program_source import (
    Source,
)


@dataclass(frozen=True, slots=True)
class Case:
    """Two programs and what is known of them before they run."""

    reference: str
    candidate: str
    contract: Contract
    files: Mapping[str, bytes]
    runtime: str
    runs: ReferenceRuns
    ours: Source
    theirs: Source
    as_jax: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """One way to share the reference's draws (see `Options` of the replay)."""

    carry: bool
    skip_defaults: bool = True
    transpose_squares: bool = True
    flip_masks: bool = False
    by_hand: tuple[tuple[int, float, float], ...] = ()
    constants: bool = False
    channels_last: bool = False
