"""How much is done to compile a candidate: little, unless its reference takes long."""

from __future__ import annotations

import re

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
    assert f"flags: {effort.LITTLE}{effort.LESS}" in verify(REFERENCE, CANDIDATE).message


def test_long_ones_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "LONG_S", 0.0)
    assert "flags: none" in verify(REFERENCE, CANDIDATE).message


LOWERS = """\
import jax
import jax.numpy as jnp

lowered = [jax.jit(jnp.add).lower(jnp.ones(size), 1.0).compiler_ir() for size in range(1, 100)]
contexts = {id(module.context): module.context for module in lowered}
print(f"contexts: {len(contexts)}")
"""


def test_what_is_lowered_shares_contexts() -> None:
    message = verify(REFERENCE.replace("flags", "contexts"), LOWERS).message
    found = re.search(r"contexts: (\d+)", message)
    assert found is not None, message
    assert int(found[1]) < 10


def test_an_older_jax_gets_the_flags_that_it_knows() -> None:
    """The optional runtime `jax-0.4` would end at once on the others."""
    assert effort.flags("0.4.30") == effort.LITTLE
