"""Every generator that both sides have."""

from __future__ import annotations

import random
import sys

import numpy as np


def set_seeds(seed: int) -> None:
    """Seed Python's, NumPy's and, where it is loaded, PyTorch's global generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
