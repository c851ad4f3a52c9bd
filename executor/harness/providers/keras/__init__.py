"""A stand-in for keras: its data sets only."""

from typing import Any

from t2j_standin import limit

from . import datasets

__all__ = ["datasets"]


def __getattr__(name: str) -> Any:
    limit("keras", name)
