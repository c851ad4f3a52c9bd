"""One face for every kind of JAX model: its parameters, and a call that is a pure function."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import jax

from .units import Leaf

Values = dict[str, Any]


class Adapter(Protocol):
    """A candidate's model, made callable as a function of its parameters.

    library      linen, nnx, equinox, haiku, plain or functional
    has_mode     whether train and eval can be told apart
    dtypes       parameter path -> dtype name
    """

    library: str
    has_mode: bool
    dtypes: dict[str, str]

    def leaves(self) -> list[Leaf]:
        """Every parameter and statistic, in definition order."""

    def initial(self) -> Values:
        """The candidate's own initial values by path."""

    def run(self, values: Values, inputs: Any, train: bool) -> tuple[Any, Values]:
        """Output and changed statistics of one call. Pure: may be traced."""


class NoModel(Exception):
    """The candidate defines nothing that can be called as the reference's Model."""


def eval_or_make(function: Any, *arguments: Any) -> Any:
    """Shapes of a function's results without computing, or the results where it must compute."""
    try:
        return jax.eval_shape(function, *arguments)
    except Exception:
        return function(*arguments)


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute replaced for a while."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)
