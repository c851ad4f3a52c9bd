"""pass@k: the chance that at least one of k samples is right."""

from math import comb


def pass_at_k(n: int, correct: int, k: int) -> float | None:
    """The unbiased estimate from `correct` of `n` samples (Chen et al. 2021, equation 1).

    None when there are fewer than k samples.

    Raises:
        ValueError: counts that cannot be.
    """
    if not 0 <= correct <= n or k < 1:
        raise ValueError(f"{correct} right of {n} samples, k = {k}: these counts cannot be.")
    if n < k:
        return None
    return 1 - comb(n - correct, k) / comb(n, k)
