# ruff: noqa: N999 - the package has this name
"""A stand-in for tensorboardX: its writer."""

from typing import Any

from t2j_standin import limit
from t2j_standin.board import SummaryWriter

__all__ = ["SummaryWriter"]


def __getattr__(name: str) -> Any:
    limit("tensorboardX", name)
