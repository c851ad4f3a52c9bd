"""Replaces `jax.random`'s samplers by ones that answer from the reference's draws."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import random as samplers
from jax._src.nn import initializers as nn_initialisers
from jax.nn import initializers as initialisers

from .random_match import Replayer
from .random_replay import State, caller, draw, left_natural

# Families that nothing of PyTorch's can answer.
UNSHARED = (
    "ball binomial double_sided_maxwell f generalized_normal geometric loggamma maxwell "
    "multinomial pareto rayleigh t triangular wald weibull_min"
)


def concrete(value: Any) -> float | None:
    """A bound as a number, None when it is traced or an array."""
    try:
        return float(value) if np.ndim(value) == 0 else None
    except Exception:
        return None


def uniform(
    original: Any, key: Any, shape: Any = (), dtype: Any = float, *args: Any, **kw: Any
) -> Any:
    natural = original(key, shape, dtype, *args, **kw)
    minval = args[0] if args else kw.get("minval", 0.0)
    maxval = args[1] if len(args) > 1 else kw.get("maxval", 1.0)
    low, high = concrete(minval), concrete(maxval)
    plain = original(key, natural.shape, wide(natural.dtype))
    if low is not None and high is not None:
        return draw("uniform", key, plain, low=low, high=high).astype(natural.dtype)
    shared = draw("uniform", key, plain) * (maxval - minval) + minval
    return shared.astype(natural.dtype)


def wide(dtype: Any) -> Any:
    return jnp.float64 if dtype == jnp.float64 else jnp.float32


def scaled(family: str) -> Callable[..., Any]:
    """A sampler whose family has no parameters."""

    def sampler(original: Any, key: Any, *args: Any, **kw: Any) -> Any:
        natural = original(key, *args, **kw)
        if jnp.issubdtype(natural.dtype, jnp.complexfloating):
            return natural
        return draw(family, key, natural.astype(wide(natural.dtype))).astype(natural.dtype)

    return sampler


def bernoulli(
    original: Any, key: Any, p: Any = 0.5, shape: Any = None, *args: Any, **kw: Any
) -> Any:
    natural = original(key, p, shape, *args, **kw)
    chance = jnp.broadcast_to(jnp.asarray(p, jnp.float32), natural.shape)
    if np.ndim(p) == 0:
        chance = jnp.asarray(p, jnp.float32)
    return draw("bernoulli", key, natural, chance)


def randint(
    original: Any, key: Any, shape: Any, minval: Any, maxval: Any, *args: Any, **kw: Any
) -> Any:
    natural = original(key, shape, minval, maxval, *args, **kw)
    low, high = concrete(minval), concrete(maxval)
    if low is None or high is None:
        return natural
    return draw("integers", key, natural, low=low, high=high)


def permutation(
    original: Any, key: Any, x: Any, axis: int = 0, independent: bool = False, **kw: Any
) -> Any:
    if independent:
        return original(key, x, axis, independent, **kw)
    count = x if np.ndim(x) == 0 else x.shape[axis]
    order = draw("permutation", key, original(key, int(count)), high=int(count))
    return order if np.ndim(x) == 0 else jnp.take(x, order, axis=axis)


def choice(  # noqa: PLR0917 - the signature of jax.random.choice
    original: Any,
    key: Any,
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    **kw: Any,
) -> Any:
    natural = original(key, a, shape, replace, p, axis, **kw)
    count = int(a) if np.ndim(a) == 0 else int(a.shape[axis])
    total = int(np.prod(shape, dtype=np.int64))
    indices = original(key, count, (total,), replace, p)
    if p is None and replace:
        indices = draw("integers", key, indices, high=count)
    elif p is None:
        indices = draw("permutation", key, indices, high=count)
    elif replace:
        indices = draw("categorical", key, indices, jnp.asarray(p))
    else:
        return natural
    indices = indices.reshape(shape)
    return indices if np.ndim(a) == 0 else jnp.take(a, indices, axis=axis)


def categorical(
    original: Any, key: Any, logits: Any, axis: int = -1, shape: Any = None, *args: Any, **kw: Any
) -> Any:
    natural = original(key, logits, axis, shape, *args, **kw)
    chances = jnp.moveaxis(jax.nn.softmax(jnp.asarray(logits), axis=axis), axis, -1)
    return draw("categorical", key, natural, chances)


def rademacher(original: Any, key: Any, *args: Any, **kw: Any) -> Any:
    natural = original(key, *args, **kw)
    return (2 * draw("bernoulli", key, natural > 0, jnp.float32(0.5)) - 1).astype(natural.dtype)


def gamma(original: Any, key: Any, a: Any, *args: Any, **kw: Any) -> Any:
    natural = original(key, a, *args, **kw)
    return draw("gamma", key, natural, jnp.asarray(a, jnp.float32))


def chisquare(original: Any, key: Any, df: Any, *args: Any, **kw: Any) -> Any:
    return 2.0 * jax.random.gamma(key, jnp.asarray(df) / 2.0, *args, **kw)


def poisson(original: Any, key: Any, lam: Any, *args: Any, **kw: Any) -> Any:
    natural = original(key, lam, *args, **kw)
    return draw("poisson", key, natural, jnp.asarray(lam, jnp.float32))


def dirichlet(original: Any, key: Any, alpha: Any, *args: Any, **kw: Any) -> Any:
    natural = original(key, alpha, *args, **kw)
    return draw("dirichlet", key, natural, jnp.asarray(alpha, jnp.float32))


def beta(original: Any, key: Any, a: Any, b: Any, *args: Any, **kw: Any) -> Any:
    natural = original(key, a, b, *args, **kw)
    pair = jnp.stack(jnp.broadcast_arrays(jnp.asarray(a), jnp.asarray(b)), axis=-1)
    return draw("beta", key, natural, pair.astype(jnp.float32))


def lognormal(
    original: Any, key: Any, sigma: Any = 1.0, shape: Any = None, *args: Any, **kw: Any
) -> Any:
    size = np.shape(sigma) if shape is None else shape
    return jnp.exp(jax.random.normal(key, size, *args, **kw) * sigma)


def multivariate_normal(  # noqa: PLR0917 - the signature of jax.random.multivariate_normal
    original: Any, key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = None, **kw: Any
) -> Any:
    mean, cov = jnp.asarray(mean), jnp.asarray(cov)
    size = jnp.broadcast_shapes(mean.shape[:-1], cov.shape[:-2]) if shape is None else tuple(shape)
    standard = jax.random.normal(key, (*size, mean.shape[-1]), dtype or float)
    return mean + jnp.einsum("...ij,...j->...i", jnp.linalg.cholesky(cov), standard)


def orthogonal_weights(original: Any) -> Any:
    """The initialiser `orthogonal`, whose matrices are shared in the shape of the parameter."""

    @wraps(original)
    def build(scale: Any = 1.0, *args: Any, **kw: Any) -> Any:
        plain = original(1.0, *args, **kw)

        def init(key: Any, shape: Any, *options: Any, **keywords: Any) -> Any:
            with left_natural():
                natural = plain(key, shape, *options, **keywords)
            return natural if State.natural else scale * draw("orthogonal", key, natural)

        return init

    return build


def orthogonal(original: Any, key: Any, *args: Any, **kw: Any) -> Any:
    return draw("orthogonal", key, original(key, *args, **kw))


def unshared(family: str) -> Callable[..., Any]:
    """A sampler of a family that cannot be shared: its place is remembered."""

    def sampler(original: Any, *args: Any, **kw: Any) -> Any:
        State.trouble.append(f"jax.random.{family} (line {caller()[0]}) has no shared counterpart")
        return original(*args, **kw)

    return sampler


SHARED: dict[str, Callable[..., Any]] = {
    "uniform": uniform,
    "normal": scaled("normal"),
    "truncated_normal": scaled("truncated_normal"),
    "exponential": scaled("exponential"),
    "gumbel": scaled("gumbel"),
    "bernoulli": bernoulli,
    "randint": randint,
    "permutation": permutation,
    "choice": choice,
    "categorical": categorical,
    "rademacher": rademacher,
    "laplace": scaled("laplace"),
    "logistic": scaled("logistic"),
    "cauchy": scaled("cauchy"),
    "gamma": gamma,
    "chisquare": chisquare,
    "poisson": poisson,
    "dirichlet": dirichlet,
    "beta": beta,
    "lognormal": lognormal,
    "multivariate_normal": multivariate_normal,
    "orthogonal": orthogonal,
    **{family: unshared(family) for family in UNSHARED.split()},
}


def install(replayer: Replayer) -> None:
    """From here on, samplers of `jax.random` answer from the replayer."""
    State.replayer = replayer
    initialisers.orthogonal = nn_initialisers.orthogonal = orthogonal_weights(
        initialisers.orthogonal
    )
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    for name, sampler in SHARED.items():
        original = getattr(jax.random, name, None)
        if original is None:
            continue
        replaced = replacement(original, sampler)
        for module in (jax.random, samplers):
            if getattr(module, name, None) is original:
                setattr(module, name, replaced)


def replacement(original: Any, sampler: Callable[..., Any]) -> Any:
    def naturally(*args: Any, **kw: Any) -> Any:
        # JAX makes some families of others, which are no draws of the program's.
        with left_natural():
            return original(*args, **kw)

    @wraps(original)
    def sample(*args: Any, **kw: Any) -> Any:
        if State.natural:
            return original(*args, **kw)
        if "key" in kw:
            args = (kw.pop("key"), *args)
        return sampler(naturally, *args, **kw)

    return sample
