"""A stand-in for TensorFlow: the data sets of its keras only."""

from typing import Any

from t2j_standin import limit

from . import keras

__all__ = ["keras"]


def __getattr__(name: str) -> Any:
    limit("tensorflow", name)
