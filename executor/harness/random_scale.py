"""A recorded draw seen in the scale of the family that a candidate asks for.

Needs NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from .random_log import Draw
from .random_request import Options, Request

Array = np.ndarray[Any, Any]
# Deviation of a standard normal truncated at 2: JAX's initialisers divide by it.
TRUNCATED_DEVIATION = 0.87962566103423978
CLOSE = 1e-3
# Families whose parameters are part of the draw: they answer only where these are the same.
PARAMETRIC = ("gamma", "poisson", "dirichlet", "beta")


def same_parameters(ours: Array, theirs: Array) -> bool:
    """Whether two parameters of a family are the same, broadcast against each other."""
    try:
        left, right = np.broadcast_arrays(np.squeeze(ours), np.squeeze(theirs))
    except ValueError:
        return False
    return bool(np.allclose(left, right, rtol=CLOSE, atol=1e-6))


def gumbel(draw: Draw) -> Array:
    """Gumbel numbers from exponential ones, or from the uniform ones that PyTorch transforms."""
    rate = draw.values if draw.family == "exponential" else -np.log(np.maximum(draw.values, 1e-30))
    return np.asarray(-np.log(np.maximum(rate, 1e-30)))


def laplace(draw: Draw) -> Array:
    """PyTorch's transform of uniform numbers in (-1, 1), which turns the sign."""
    symmetric = 2.0 * draw.values - 1.0
    return np.asarray(-np.sign(symmetric) * np.log1p(-np.minimum(np.abs(symmetric), 1 - 1e-12)))


def logistic(draw: Draw) -> Array:
    clipped = np.clip(draw.values, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def first_share(draw: Draw) -> Array:
    """A beta number is the first of two Dirichlet shares."""
    return np.asarray(draw.values[..., 0])


TRANSFORMS: Mapping[str, Callable[[Draw], Array]] = {
    "gumbel": gumbel,
    "laplace": laplace,
    "logistic": logistic,
    "beta": first_share,
}


def same_chances(draw: Draw, request: Request) -> bool:
    """Whether a choice was as likely in the reference: else wrong logits would pass."""
    if draw.probability is None or request.probability is None:
        return False
    if request.family in PARAMETRIC:
        return same_parameters(draw.probability, request.probability)
    ours, theirs = np.atleast_2d(draw.probability), np.atleast_2d(request.probability)
    ours, theirs = ours.reshape(-1, ours.shape[-1]), theirs.reshape(-1, theirs.shape[-1])
    if ours.shape[-1] != theirs.shape[-1]:
        return False
    if ours.shape[0] != theirs.shape[0] and 1 not in (ours.shape[0], theirs.shape[0]):
        return False
    return bool(np.max(np.abs(ours - theirs)) < CLOSE)


def in_own_scale(draw: Draw) -> Array:
    """A draw as PyTorch left it, in the scale that it was drawn with."""
    if draw.family == "uniform":
        return np.asarray(draw.low + draw.values * (draw.high - draw.low))
    if draw.family == "normal":
        return np.asarray(draw.low + draw.values * draw.high)
    return draw.values


def base(draw: Draw, request: Request, options: Options) -> Array:
    """A draw's values in the scale of the family asked for."""
    family = request.family
    if draw.family == "bernoulli":
        return masked(draw, request, options)
    if request.corrected and not draw.truncated:
        return draw.values * TRUNCATED_DEVIATION
    if family == "bernoulli":
        return from_uniform(request, draw.values)
    if family in TRANSFORMS:
        return TRANSFORMS[family](draw)
    if family == "integers":
        return draw.values - int(draw.low) + int(request.low)
    return draw.values


def masked(draw: Draw, request: Request, options: Options) -> Array:
    """A recorded mask as a mask, or as the uniform numbers that make it.

    A candidate may draw what is dropped where PyTorch draws what is kept.
    """
    uniform = coupled(draw)
    if request.family == "uniform":
        return 1.0 - uniform if options.flip_masks else uniform
    recorded = float(np.mean(0.5 if draw.probability is None else draw.probability))
    asked = float(np.mean(0.5 if request.probability is None else request.probability))
    fair = abs(recorded - 0.5) < CLOSE
    complement = abs(asked - (1.0 - recorded)) < CLOSE
    if complement and (options.flip_masks if fair else abs(asked - recorded) > CLOSE):
        return ~draw.values.astype(bool)
    return from_uniform(request, uniform)


def coupled(draw: Draw) -> Array:
    """Uniform numbers that give the recorded mask at the recorded probability, and at no other.

    A candidate that keeps with another probability then sees another mask.
    """
    spread = np.random.default_rng(draw.values.size).random(draw.shape)
    chance = np.asarray(0.5 if draw.probability is None else draw.probability)
    ones = spread * chance
    zeros = chance + spread * (1.0 - chance)
    # Half a unit away from the threshold, so that float32 cannot round across it.
    return np.where(
        draw.values.astype(bool),
        np.minimum(ones, chance - 1e-6),
        np.minimum(np.maximum(zeros, chance + 1e-6), 1.0 - 1e-7),
    )


def from_uniform(request: Request, uniform: Array) -> Array:
    """A stream of uniform numbers seen as another family."""
    family = request.family
    if family == "uniform":
        return uniform
    if family == "bernoulli":
        chance = np.asarray(0.5 if request.probability is None else request.probability)
        return below(uniform, chance, request)
    clipped = np.clip(uniform, 1e-12, 1 - 1e-12)
    if family in ("normal", "truncated_normal"):
        return quantile(clipped)
    with_rate: Array = -np.log(clipped)
    return with_rate if family == "exponential" else -np.log(with_rate)


def below(uniform: Array, chance: Array, request: Request) -> Array:
    try:
        return np.asarray(uniform < chance).reshape(request.shape)
    except ValueError:
        return np.asarray(uniform < float(np.mean(chance)))


def to_uniform(request: Request, values: Array) -> Array:
    family = request.family
    wide = values.astype(np.float64)
    if family == "uniform":
        return wide
    if family == "bernoulli":
        chance = float(np.mean(0.5 if request.probability is None else request.probability))
        spread = np.random.default_rng(values.size).random(values.shape)
        return np.where(values.astype(bool), spread * chance, chance + spread * (1 - chance))
    if family in ("normal", "truncated_normal"):
        return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in wide.reshape(-1)])
    rate = wide if family == "exponential" else np.exp(-wide)
    result: Array = np.exp(-rate)
    return result


def quantile(probability: Array) -> Array:
    """The standard normal quantile."""
    inverse = NormalDist().inv_cdf
    flat = np.array([inverse(float(each)) for each in probability.reshape(-1)])
    return flat.reshape(probability.shape)
