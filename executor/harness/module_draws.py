"""Answers a candidate module's draws from what the reference drew in the same call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import random_log, random_samplers
from .random_match import Replayer
from .random_replay import State


class Draws:
    """One log for each of the reference's calls; `begin` starts one of them again."""

    def __init__(self, packed: Mapping[str, Any]) -> None:
        self.logs = {name: random_log.decode(data.tobytes()) for name, data in packed.items()}
        self.unanswered = 0
        random_samplers.install(Replayer(random_log.Log()))
        State.natural += 1

    def begin(self, name: str) -> None:
        """From here on, draws are answered from call `name`."""
        State.replayer = Replayer(self.logs.get(name, random_log.Log()))
        State.natural = 0

    def end(self) -> None:
        """From here on, draws are the candidate's own."""
        replayer, State.natural = State.replayer, 1
        self.unanswered += 0 if replayer is None else replayer.unanswered
