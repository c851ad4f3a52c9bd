"""What one revision compiled, the next one does not compile again, shared draws included."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.parity.cache import DiskCache
from executor.parity.engine import verify
from executor.parity.outcome import Outcome

REFERENCE = """\
import torch

torch.manual_seed(0)
print(f"sum of squares: {(torch.rand(6) ** 2).sum():.4f}")
print("compiled anew: 0")
"""
CANDIDATE = """\
import jax
from jax import monitoring

happened = []
monitoring.register_event_listener(lambda name, **_: happened.append(name.rpartition("/")[2]))


@jax.jit
def squares(key):
    return (jax.random.uniform(key, (6,)) ** 2).sum()


print(f"sum of squares: {squares(jax.random.PRNGKey(0)):.4f}")
anew = happened.count("compile_requests_use_cache") - happened.count("cache_hits")
print(f"compiled anew: {anew}")
"""


def test_compiled_draws_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_COMPILE_CACHE", str(tmp_path / "compiled"))
    references = DiskCache(tmp_path / "references")
    first = verify(REFERENCE, CANDIDATE, cache=references)
    assert first.outcome is Outcome.FAIL, first.message
    assert "compiled anew" in first.message
    second = verify(REFERENCE, f"{CANDIDATE}# the next revision\n", cache=references)
    assert second.outcome is Outcome.PASS, second.message
