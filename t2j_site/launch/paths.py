"""Where the checkout, its environments and the data folder are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def venv() -> Path:
    """The app's virtual environment; T2J_VENV overrides `.venv` in the checkout."""
    return Path(os.environ.get("T2J_VENV") or ROOT / ".venv").absolute()


def data(given: str | None) -> Path:
    """The data folder: the option, else T2J_DATA, else `.t2j` in the checkout."""
    return Path(given or os.environ.get("T2J_DATA") or ROOT / ".t2j").absolute()
