"""Photographs of a PyTorch program's modules: their parameters at the moment they are built.

A parameter that the program itself fills (`nn.init...`, `copy_`) is named explicit: its value
comes from a draw or a constant that the candidate has to make too, so it is never carried over.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from . import torch_model
from .random_record import Recorder, as_array

MAX_PHOTOS = 64
MAX_BYTES = 64 * 1024 * 1024


class Album:
    """Photographs every outermost module that owns parameters."""

    def __init__(self, recorder: Recorder, as_jax: bool = False) -> None:
        self.recorder = recorder
        self.as_jax = as_jax
        self.photos: list[dict[str, Any]] = []
        self.depth = 0
        self.bytes = 0
        self.places: dict[int, list[tuple[dict[str, Any], str]]] = {}

    def open(self) -> None:
        """From here on, modules are photographed when their construction ends."""
        for kind in list(subclasses(nn.Module)):
            self.watch(kind)
        album = self

        def created(cls: Any, /, **keywords: Any) -> None:
            super(nn.Module, cls).__init_subclass__(**keywords)
            album.watch(cls)

        nn.Module.__init_subclass__ = classmethod(created)
        nn.modules.module.register_module_forward_pre_hook(self.called)

    def watch(self, kind: Any) -> None:
        original = kind.__dict__.get("__init__")
        if original is None:
            return
        album = self

        @functools.wraps(original)
        def build(self: Any, *args: Any, **keywords: Any) -> None:
            album.depth += 1
            try:
                original(self, *args, **keywords)
            finally:
                album.depth -= 1
            if album.depth == 0:
                album.photograph(self)

        kind.__init__ = build

    def photograph(self, module: Any) -> None:
        try:
            parameters = dict(module.named_parameters())
            size = sum(4 * each.numel() for each in parameters.values())
        except Exception:
            return
        if not parameters or len(self.photos) >= MAX_PHOTOS or self.bytes + size > MAX_BYTES:
            return
        self.bytes += size
        if self.as_jax:
            for part in module.modules():
                self.keep_one_bias(part)
        photo = {
            "name": type(module).__name__,
            "modules": torch_model.describe(module),
            "calls": [],
            "parameters": {name: as_array(each) for name, each in parameters.items()},
            "buffers": {name: as_array(each) for name, each in module.named_buffers()},
            "tensors": parameters,
        }
        self.photos.append(photo)
        for path, part in module.named_modules():
            self.places.setdefault(id(part), []).append((photo, path))
        self.name_draws(photo)

    def keep_one_bias(self, layer: Any) -> None:
        """Take PyTorch's second recurrent bias away, where JAX's cells have only one.

        Both are added, so two trained biases move twice as far as one. A GRU's candidate gate has
        its own second bias on both sides.
        """
        if not isinstance(layer, nn.RNNBase | nn.RNNCellBase):
            return
        gated = isinstance(layer, nn.GRU | nn.GRUCell)
        for name, bias in layer.named_parameters(recurse=False):
            if not name.startswith("bias_hh"):
                continue
            free = torch.zeros_like(bias, requires_grad=False)
            if gated:
                free[2 * len(bias) // 3 :] = 1.0
            draw = self.recorder.draw_of(bias)
            if draw is not None and not gated:
                draw.dead = True
            with torch.no_grad():
                bias.data = bias.data * free
            bias.register_hook(functools.partial(torch.mul, free))

    def name_draws(self, photo: dict[str, Any]) -> None:
        for name, tensor in photo["tensors"].items():
            draw = self.recorder.draw_of(tensor)
            if draw is not None:
                draw.parameter = f"{photo['name']}.{name}"

    def called(self, module: Any, inputs: Any) -> None:
        """Note the order of first calls; from its first call on, a parameter is in training."""
        for photo, path in self.places.pop(id(module), ()):
            photo["calls"].append(path)
            for parameter in module.parameters(recurse=False):
                self.recorder.freeze(parameter)

    def trained(self) -> list[dict[str, Any]]:
        """The parameters of the same modules as they are now."""
        return [
            {name: as_array(tensor) for name, tensor in photo["tensors"].items()}
            for photo in self.photos
        ]

    def developed(self) -> list[dict[str, Any]]:
        """The photographs as plain data."""
        return [
            {
                **{key: value for key, value in photo.items() if key != "tensors"},
                "explicit": [
                    name
                    for name, tensor in photo["tensors"].items()
                    if self.recorder.is_explicit(tensor)
                ],
                "drawn": [
                    name
                    for name, tensor in photo["tensors"].items()
                    if self.recorder.draw_of(tensor) is not None
                ],
            }
            for photo in self.photos
        ]


def subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)
