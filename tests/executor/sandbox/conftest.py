"""The sandbox's tests use the real sandbox; its compiled programs go to a folder of the test."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_compile_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "compile-cache"
    monkeypatch.setenv("T2J_COMPILE_CACHE", str(folder))
    return folder
