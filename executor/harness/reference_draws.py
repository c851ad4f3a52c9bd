"""Random numbers that a reference module draws in its forward pass.

Every call begins with the same seeds, so that each draws the same numbers; what a call drew is
recorded and handed to the candidate, whose own draws are answered from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import random_log
from .random_record import Recorder
from .seeds import set_seeds


class Draws:
    """What was drawn, by name of the call: an inputs' name in eval mode, or `train`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.logs: dict[str, random_log.Log] = {}

    def begin(self, other: bool = False) -> None:
        """Seed every generator for one call; `other` takes another seed."""
        set_seeds(self.seed + (31337 if other else 0))

    @contextlib.contextmanager
    def recorded(self, name: str) -> Iterator[None]:
        """Seed for one call, and keep what it draws."""
        log = random_log.Log()
        self.begin()
        with Recorder(log):
            yield
        if log.draws and not log.overflow:
            self.logs[name] = log

    def packed(self) -> dict[str, Any]:
        """Every log as bytes, for the candidate's box."""
        return {
            name: np.frombuffer(random_log.encode(log), np.uint8) for name, log in self.logs.items()
        }
