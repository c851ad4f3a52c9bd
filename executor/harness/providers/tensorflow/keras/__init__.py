"""The data sets of keras, under their other name."""

import sys
from typing import Any

from keras import datasets
from t2j_standin import limit

sys.modules[f"{__name__}.datasets"] = datasets
__all__ = ["datasets"]


def __getattr__(name: str) -> Any:
    limit("tensorflow.keras", name)
