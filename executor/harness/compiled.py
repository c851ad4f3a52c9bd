"""Compiled code with callbacks into Python, kept like all other.

JAX keeps no compiled code that calls back into Python, and a draw that is shared under `jit` is
such a call: every revision of a program that draws in its training step would compile that step
anew, for seconds. The code names a callback by its place in the list that it is loaded with, so
code of the same text can be loaded with today's callbacks.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from jax._src import compilation_cache, compiler

READS = ["module_name", "cache_key", "compile_options", "backend", "executable_devices"]
KEEPS = ["cache_key", "compile_time_secs", "module_name", "backend", "executable", "host_callbacks"]


class State:
    """The callbacks of what is being compiled."""

    callbacks: tuple[Any, ...] = ()


def install() -> None:
    """From here on; nothing happens in a JAX whose insides are other ones."""
    try:
        fits = list(inspect.signature(compiler._cache_read).parameters) == READS
        fits = fits and list(inspect.signature(compiler._cache_write).parameters) == KEEPS
    except (AttributeError, TypeError):
        fits = False
    if not fits:
        return
    compile_or_load, read, keep = (
        compiler.compile_or_get_cached,
        compiler._cache_read,
        compiler._cache_write,
    )

    def compiled(
        backend: Any, module: Any, devices: Any, options: Any, callbacks: Any, *rest: Any, **kw: Any
    ) -> Any:
        with compiling(callbacks):
            return compile_or_load(backend, module, devices, options, callbacks, *rest, **kw)

    def loaded(name: str, key: str, options: Any, backend: Any, devices: Any) -> Any:
        if not State.callbacks:
            return read(name, key, options, backend, devices)
        with contextlib.suppress(Exception):
            return load(key, options, backend, devices)
        return None, None

    def kept(*arguments: Any) -> None:
        keep(*arguments[:-1], ())

    compiler.compile_or_get_cached = compiled
    compiler._cache_read = loaded
    compiler._cache_write = kept


@contextlib.contextmanager
def compiling(callbacks: Any) -> Iterator[None]:
    before, State.callbacks = State.callbacks, tuple(callbacks)
    try:
        yield
    finally:
        State.callbacks = before


def load(key: str, options: Any, backend: Any, devices: Any) -> tuple[Any, Any]:
    """The kept code with the callbacks of today, (None, None) without any."""
    cache = compilation_cache._get_cache(backend)
    entry = None if cache is None else cache.get(key)
    if entry is None:
        return None, None
    code, seconds = compilation_cache.extract_executable_and_time(
        compilation_cache.decompress_executable(entry)
    )
    found = backend.deserialize_executable(code, devices, options, list(State.callbacks))
    return found, seconds
