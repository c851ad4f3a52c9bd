"""Carrying parameters into Flax nnx modules, when they are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from .adapter_nnx import Nnx
from .random_carry import Carrier, Named
from .random_replay import left_natural


class Site:
    """One construction of an outermost module, and the layers in it that name initialisers."""

    def __init__(self) -> None:
        self.named: dict[int, tuple[Any, Named, set[str]]] = {}


def install(carrier: Carrier) -> None:
    """From here on, an nnx module carries the reference's parameters once it is built."""
    meta = type(nnx.Module)
    construct = meta._pytree_meta_construct
    sites: list[Site] = []

    def build(cls: Any, self: Any, *args: Any, **keywords: Any) -> None:
        def create() -> None:
            construct(cls, self, *args, **keywords)

        if not issubclass(cls, nnx.Module):
            create()
            return
        outermost = not sites
        if outermost:
            sites.append(Site())
        site = sites[-1]
        try:
            make(self, keywords, site, create)
        finally:
            if outermost:
                sites.pop()
        if outermost:
            carry(carrier, self, site)

    meta._pytree_meta_construct = build


def make(layer: Any, keywords: Any, site: Site, create: Callable[[], None]) -> None:
    """Build one layer: its own initialisers draw naturally, those that are named are shared."""
    if not type(layer).__module__.startswith("flax."):
        create()
        return
    names = {
        name.removesuffix("_init")
        for name, value in keywords.items()
        if name.endswith("_init") and value is not None
    }
    if not names:
        with left_natural():
            create()
        return
    named = Named()
    named.make("layer", create)
    site.named[id(layer)] = (layer, named, names)


def carry(carrier: Carrier, module: Any, site: Site) -> None:
    adapter = Nnx(module, None)
    leaves = adapter.leaves()
    values = carrier.carried(
        type(module).__name__, identity(adapter), leaves, collected(adapter, site)
    )
    flat = {
        path: adapter.flat[path].replace(
            jnp.asarray(values[name], dtype=adapter.flat[path].get_value().dtype)
        )
        for name, path in adapter.paths.items()
        if name in values
    }
    if flat:
        nnx.update(module, nnx.from_flat_state(flat))


def collected(adapter: Nnx, site: Site) -> Named:
    """Leaf paths of the layers that name initialisers, and of parameters made by hand."""
    found = Named()
    for name, path in adapter.paths.items():
        owner = adapter.layers.get(path[:-1]) if path[:-1] else adapter.module
        if owner is None or not type(owner).__module__.startswith("flax."):
            found.drawn.add(name)
            continue
        entry = site.named.get(id(owner))
        if entry is not None and str(path[-1]) in entry[2]:
            target = found.drawn if entry[1].drawn else found.constant
            if entry[1].drawn or entry[1].constant:
                target.add(name)
    return found


def identity(adapter: Nnx) -> Any:
    """Equal seeds give equal initial values."""
    try:
        values = adapter.initial()
        return adapter.library, b"".join(np.asarray(each).tobytes() for each in values.values())
    except Exception:
        return adapter.library, id(adapter)
