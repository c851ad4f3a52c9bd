"""How hard XLA works on a candidate: little, unless its reference takes long."""

from __future__ import annotations

import pytest

from executor.harness import effort
from executor.parity.engine import verify

REFERENCE = """\
import torch

print("flags: unknown")
"""
CANDIDATE = """\
import os
import jax.numpy as jnp

jnp.ones(3).sum()
print(f"flags: {os.environ.get('XLA_FLAGS', 'none')}")
"""


def test_short_programs_are_compiled_with_little_effort() -> None:
    assert f"flags: {effort.LITTLE}" in verify(REFERENCE, CANDIDATE).message


def test_long_ones_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "LONG_S", 0.0)
    assert "flags: none" in verify(REFERENCE, CANDIDATE).message
