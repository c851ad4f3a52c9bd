"""NumPy's and Python's generators, watched on both sides.

Both sides have the same generators and get the same bits from the same seed, so a draw stays
natural. It is logged for a candidate that asks `jax.random` for it, and a candidate that draws
with NumPy what the reference drew with PyTorch is answered from the log.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from .program_run import PROGRAM

Array = np.ndarray[Any, Any]
FUNCTIONS = (
    "rand",
    "randn",
    "random",
    "random_sample",
    "ranf",
    "sample",
    "uniform",
    "normal",
    "standard_normal",
    "randint",
    "permutation",
    "shuffle",
    "choice",
)
METHODS = (
    "random",
    "uniform",
    "normal",
    "standard_normal",
    "integers",
    "permutation",
    "shuffle",
    "choice",
)


@dataclass(frozen=True, slots=True)
class Call:
    """A draw in the scale of its family (see the log), and how to give it back to its caller."""

    family: str
    values: Array
    low: float = 0.0
    high: float = 1.0
    probability: Array | None = None
    operation: str = ""
    line: int = 0


# Takes a natural draw, gives the values to use in its place.
Handle = Callable[[Call], Array]


def install(handle: Handle) -> None:
    """From here on, draws that the program itself asks for pass through `handle`."""
    for name in FUNCTIONS:
        if hasattr(np.random, name):
            setattr(np.random, name, watched(getattr(np.random, name), name, handle))
    original = np.random.default_rng
    generator = generator_type(handle)

    @wraps(original)
    def default_rng(seed: Any = None) -> Any:
        # An unseeded generator would differ from run to run.
        made = original(0 if seed is None else seed)
        return generator(made.bit_generator) if by_program() else made

    np.random.default_rng = default_rng
    install_python(handle)


def install_python(handle: Handle) -> None:
    for name, maker in PYTHON.items():
        setattr(random, name, maker(getattr(random, name), handle))


def generator_type(handle: Handle) -> Any:
    class Generator(np.random.Generator):
        """NumPy's generator, watched."""

    for name in METHODS:
        original = getattr(np.random.Generator, name)

        def method(
            self: Any, *args: Any, _original: Any = original, _name: str = name, **kw: Any
        ) -> Any:
            return watched(lambda *a, **k: _original(self, *a, **k), _name, handle)(*args, **kw)

        setattr(Generator, name, method)
    return Generator


def by_program() -> bool:
    return sys._getframe(2).f_code.co_filename == PROGRAM


def line_of_program() -> int:
    """The line of the program that called a watched function, 0 when a library did."""
    frame: Any = sys._getframe(2)
    here = __file__
    while frame is not None and frame.f_code.co_filename == here:
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename != PROGRAM:
        return 0
    return int(frame.f_lineno)


class State:
    """How deep in draws of NumPy's own: `permutation` shuffles, which is no draw of the program."""

    depth: int = 0


def watched(original: Callable[..., Any], name: str, handle: Handle) -> Callable[..., Any]:
    def naturally(*args: Any, **keywords: Any) -> Any:
        State.depth += 1
        try:
            return original(*args, **keywords)
        finally:
            State.depth -= 1

    def draw(*args: Any, **keywords: Any) -> Any:
        line = 0 if State.depth else line_of_program()
        maker = MAKERS.get(name)
        if not line or maker is None:
            return original(*args, **keywords)
        return maker(naturally, name, line, handle, *args, **keywords)

    return draw


def shaped(values: Array, like: Any) -> Any:
    """The values as the caller expects them: an array, or a Python number."""
    if isinstance(like, np.ndarray):
        return values.astype(like.dtype).reshape(like.shape)
    return type(like)(values.reshape(-1)[0])


def standard(family: str) -> Callable[..., Any]:
    def make(
        original: Any, name: str, line: int, handle: Handle, *args: Any, **keywords: Any
    ) -> Any:
        natural = original(*args, **keywords)
        call = Call(family, np.asarray(natural, np.float64), operation=f"np.{name}", line=line)
        return shaped(handle(call), natural)

    return make


def scaled(family: str) -> Callable[..., Any]:
    def make(  # noqa: PLR0917 - the signature of np.random.uniform and normal
        original: Any,
        name: str,
        line: int,
        handle: Handle,
        first: Any = None,
        second: Any = None,
        size: Any = None,
        **keywords: Any,
    ) -> Any:
        low = keywords.pop("low", keywords.pop("loc", 0.0)) if first is None else first
        high = keywords.pop("high", keywords.pop("scale", 1.0)) if second is None else second
        natural = original(low, high, size, **keywords)
        width = np.subtract(high, low) if family == "uniform" else high
        with np.errstate(all="ignore"):
            values = np.where(np.equal(width, 0), 0.0, (np.asarray(natural) - low) / width)
        plain = np.ndim(low) == 0 and np.ndim(high) == 0
        call = Call(
            family,
            values,
            float(low) if plain else 0.0,
            float(high) if plain else 1.0,
            operation=f"np.{name}",
            line=line,
        )
        given = handle(call)
        return natural if given is values else shaped(given * width + low, natural)

    return make


def integers(  # noqa: PLR0917 - the signature of np.random.randint
    original: Any,
    name: str,
    line: int,
    handle: Handle,
    low: Any,
    high: Any = None,
    size: Any = None,
    **keywords: Any,
) -> Any:
    natural = original(low, high, size, **keywords)
    if np.ndim(low) or (high is not None and np.ndim(high)):
        return natural
    bounds = (0, low) if high is None else (low, high)
    upper = bounds[1] + bool(keywords.get("endpoint", False))
    call = Call(
        "integers", np.asarray(natural), bounds[0], upper, operation=f"np.{name}", line=line
    )
    return shaped(handle(call), natural)


def permutation(
    original: Any, name: str, line: int, handle: Handle, x: Any, *args: Any, **keywords: Any
) -> Any:
    if args or keywords:
        return original(x, *args, **keywords)
    count = int(x) if np.ndim(x) == 0 else len(x)
    order = handle(
        Call("permutation", original(count), high=count, operation=f"np.{name}", line=line)
    )
    return order if np.ndim(x) == 0 else np.asarray(x)[order]


def shuffle(
    original: Any, name: str, line: int, handle: Handle, x: Any, *args: Any, **keywords: Any
) -> None:
    if args or keywords:
        original(x, *args, **keywords)
        return
    order = np.arange(len(x))
    original(order)
    order = handle(Call("permutation", order, high=len(x), operation=f"np.{name}", line=line))
    x[:] = np.asarray(x)[order] if isinstance(x, np.ndarray) else [x[i] for i in order]


def choice(  # noqa: PLR0917 - the signature of np.random.choice
    original: Any,
    name: str,
    line: int,
    handle: Handle,
    a: Any,
    size: Any = None,
    replace: bool = True,
    p: Any = None,
    **keywords: Any,
) -> Any:
    count = int(a) if np.ndim(a) == 0 else len(a)
    picked = original(count, size, replace, p, **keywords)
    if p is not None and not replace:
        return picked if np.ndim(a) == 0 else np.asarray(a)[picked]
    family = "integers" if replace else "permutation"
    chances = None if p is None else np.asarray(p, np.float64)
    call = Call(
        family if p is None else "categorical",
        np.asarray(picked),
        0,
        count,
        probability=chances,
        operation=f"np.{name}",
        line=line,
    )
    given = shaped(handle(call), picked)
    return given if np.ndim(a) == 0 else np.asarray(a)[given]


MAKERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("rand", "random", "random_sample", "ranf", "sample"), standard("uniform")),
    **dict.fromkeys(("randn", "standard_normal"), standard("normal")),
    "uniform": scaled("uniform"),
    "normal": scaled("normal"),
    "randint": integers,
    "integers": integers,
    "permutation": permutation,
    "shuffle": shuffle,
    "choice": choice,
}


def python_number(family: str) -> Callable[..., Any]:
    """Python's `random()` and `gauss(mu, sigma)`."""

    def maker(original: Any, handle: Handle) -> Any:
        def draw(*args: Any) -> Any:
            natural = original(*args)
            line = line_of_program()
            if not line:
                return natural
            shift, scale = args if len(args) == 2 else (0.0, 1.0)
            width = scale - shift if original.__name__ == "uniform" else scale
            values = np.asarray((natural - shift) / width if width else 0.0)
            given = handle(Call(family, values, shift, scale, operation="random", line=line))
            return natural if given is values else float(given.reshape(-1)[0]) * width + shift

        return draw

    return maker


def python_shuffle(original: Any, handle: Handle) -> Any:
    def draw(x: Any) -> None:
        line = line_of_program()
        order = list(range(len(x)))
        original(order)
        if line:
            call = Call("permutation", np.array(order), high=len(x), operation="shuffle", line=line)
            order = [int(each) for each in handle(call)]
        x[:] = [x[i] for i in order]

    return draw


def python_integer(original: Any, handle: Handle) -> Any:
    """Python's `randint(a, b)`, with both ends, and `randrange(start, stop)`."""

    def draw(*args: Any) -> Any:
        natural = original(*args)
        line = line_of_program()
        if not line or len(args) > 2:
            return natural
        low, high = args if len(args) == 2 else (0, args[0])
        high += original.__name__ == "randint"
        values = np.asarray(natural)
        given = handle(Call("integers", values, low, high, operation="random", line=line))
        return natural if given is values else int(given.reshape(-1)[0])

    return draw


def python_choice(original: Any, handle: Handle) -> Any:
    def draw(seq: Any) -> Any:
        place = original(range(len(seq)))
        line = line_of_program()
        if line:
            call = Call("integers", np.asarray(place), 0, len(seq), operation="choice", line=line)
            place = int(handle(call).reshape(-1)[0])
        return seq[place]

    return draw


def python_sample(original: Any, handle: Handle) -> Any:
    def draw(population: Any, k: int, **keywords: Any) -> Any:
        line = line_of_program()
        if not line or keywords:
            return original(population, k, **keywords)
        places = np.asarray(original(range(len(population)), k), np.int64)
        call = Call("permutation", places, high=len(population), operation="sample", line=line)
        return [population[int(place)] for place in handle(call)]

    return draw


PYTHON: dict[str, Callable[..., Any]] = {
    "randint": python_integer,
    "randrange": python_integer,
    "choice": python_choice,
    "sample": python_sample,
    "random": python_number("uniform"),
    "uniform": python_number("uniform"),
    "gauss": python_number("normal"),
    "shuffle": python_shuffle,
}
