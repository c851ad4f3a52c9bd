"""Hands the reference's draws to a candidate that asks for random numbers.

Draws are matched in order, by family and by shape in any orientation; a block may be asked for in
pieces and pieces as a block. A key always gives one draw: asked again, in whatever family or
shape, it answers from the same stream, so that a reused key stays visible as the bug that it is.
Needs NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .random_layout import Entry, Layout, fit, is_square_weight, piece_of, squeezed
from .random_log import Draw, Log
from .random_request import Options, Request
from .random_scale import base, from_uniform, in_own_scale, same_chances, to_uniform

Array = np.ndarray[Any, Any]
MAX_REQUESTS = 2_000
# Early draws that are kept to find the parameters made of them: how many, and how large.
MAX_NOTED = 200
MAX_NOTED_SIZE = 1_000_000
# Families that one stream of uniform numbers can express, so that a reused key can be answered.
STREAMS = ("uniform", "normal", "truncated_normal", "bernoulli", "exponential", "gumbel")


@dataclass(slots=True)
class Served:
    """One answered request, for the story of a difference. `number` is None for a natural draw."""

    family: str
    shape: tuple[int, ...]
    line: int
    number: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What a request got, in the scale of its family. `answered`: by a draw of the reference's."""

    number: int
    line: int
    values: Array
    answered: bool


@dataclass(slots=True)
class Replayer:
    """Answers requests from a log."""

    log: Log
    options: Options = field(default_factory=Options)
    entries: list[Entry] = field(init=False)
    served: list[Served] = field(default_factory=list)
    streams: dict[bytes, tuple[Request, Array]] = field(default_factory=dict)
    start: int = 0
    asked: int = 0
    unanswered: int = 0
    squares: int = 0
    masks: int = 0
    noted: list[Noted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entries = [Entry(draw, number) for number, draw in enumerate(self.log.draws)]
        for entry in self.entries:
            if entry.draw.dead or entry.draw.family == "other":
                entry.used = True

    def answer(self, request: Request) -> Array:
        """Values for the request, in its shape; its natural draw where nothing matches."""
        self.asked += 1
        again = self.repeated(request)
        if again is not None:
            self.note(request, None, "same key")
            return again
        found = self.by_hand(request) or self.find(request)
        if found is None:
            self.unanswered += 1
            self.note(request, None, "no counterpart")
            values = request.natural
        else:
            values, number, how = found
            self.masks += self.log.draws[number].family == "bernoulli"
            self.note(request, number, how)
        self.keep(request, values, found is not None)
        self.remember(request, values)
        return values

    def keep(self, request: Request, values: Array, answered: bool) -> None:
        """Remember an early draw: it may turn out to make a parameter."""
        if values.size <= MAX_NOTED_SIZE and len(self.noted) < MAX_NOTED:
            self.noted.append(Noted(self.asked, request.line, values, answered))

    def by_hand(self, request: Request) -> tuple[Array, int, str] | None:
        """A parameter of another distribution than the reference's, so that it becomes its."""
        affine = {number: (scale, shift) for number, scale, shift in self.options.by_hand}
        if self.asked not in affine:
            return None
        scale, shift = affine[self.asked]
        for entry in self.entries:
            if entry.used or entry.taken or not (entry.draw.default and entry.draw.weight):
                continue
            layout = fit(entry.draw, request, self.options)
            if layout is not None:
                entry.used = True
                values = (layout(in_own_scale(entry.draw)) - shift) / scale
                return values, entry.number, "carried over"
        return None

    def bias(self, shape: tuple[int, ...]) -> Array | None:
        """PyTorch's next drawn bias of this shape, for a program that starts from zeros."""
        for entry in self.entries:
            draw = entry.draw
            plain = not entry.used and draw.default and draw.weight
            if plain and "bias" in draw.parameter and squeezed(draw.shape) == squeezed(shape):
                entry.used = True
                return in_own_scale(draw).reshape(shape)
        return None

    def natural_or_shared(self, call: Any) -> Array:
        """Values for a draw of NumPy's or Python's own generators.

        Where the reference drew the same with them, the bits are the same already; where it drew
        with PyTorch, the reference's draw answers; else the draw stays natural.
        """
        values: Array = call.values
        request = Request(
            call.family,
            values.shape,
            values,
            low=call.low,
            high=call.high,
            probability=call.probability,
            line=call.line,
        )
        self.asked += 1
        for entry in self.candidates(request):
            if entry.draw.source == "numpy" and not entry.taken:
                layout = fit(entry.draw, request, self.options)
                if layout is not None:
                    entry.used = True
                    self.note(request, entry.number, "same generator")
                    return values
        found = self.by_hand(request) or self.find(request)
        self.keep(request, values if found is None else found[0], found is not None)
        if found is None:
            self.unanswered += 1
            self.note(request, None, "no counterpart")
            return values
        self.note(request, found[1], found[2])
        return np.asarray(found[0])

    def answer_block(self, requests: Sequence[Request]) -> Array:
        """Values for requests made at once under `vmap`, one key each."""
        first = requests[0]
        fresh = all(request.key not in self.streams for request in requests)
        if fresh and len({request.key for request in requests}) == len(requests):
            whole = Request(
                first.family,
                (len(requests), *first.shape),
                np.stack([request.natural for request in requests]),
                low=first.low,
                high=first.high,
                probability=None
                if first.probability is None
                else np.stack([np.asarray(each.probability) for each in requests]),
                replace=first.replace,
                line=first.line,
                initialiser=first.initialiser,
                keeps_layout=first.keeps_layout,
                corrected=first.corrected,
            )
            found = self.find(whole)
            if found is not None:
                self.asked += 1
                self.note(whole, found[1], found[2])
                for request, values in zip(requests, found[0], strict=True):
                    self.remember(request, values)
                return found[0]
        return np.stack([self.answer(request) for request in requests])

    def note(self, request: Request, number: int | None, how: str) -> None:
        if len(self.served) < MAX_REQUESTS:
            self.served.append(Served(request.family, request.shape, request.line, number, how))

    def repeated(self, request: Request) -> Array | None:
        """What a key gave before, seen through the family and shape asked for now."""
        known = self.streams.get(request.key) if request.key else None
        if known is None:
            return None
        if request.family not in STREAMS or known[0].family not in STREAMS:
            return self.repeated_whole(known, request)
        size = math.prod(request.shape)
        stream = to_uniform(known[0], known[1].reshape(-1))
        if known[0].family == request.family and stream.size >= size:
            values = known[1].reshape(-1)[:size].reshape(request.shape)
            self.skip_repeat(request, values)
            return values
        if stream.size < size:
            rest = np.random.default_rng(list(request.key)).random(size - stream.size)
            stream = np.concatenate([stream, rest])
        values = from_uniform(request, stream[:size].reshape(request.shape))
        self.skip_repeat(request, values)
        return values

    def repeated_whole(self, known: tuple[Request, Array], request: Request) -> Array:
        """A key's earlier answer, if it was asked for the same; else its own natural draw."""
        before, values = known
        same = (before.family, before.shape, before.low, before.high) == (
            request.family,
            request.shape,
            request.low,
            request.high,
        )
        if not same:
            return request.natural
        self.skip_repeat(request, values)
        return values

    def skip_repeat(self, request: Request, values: Array) -> None:
        """A program that seeds anew draws the same again: so did the reference."""
        for entry in self.candidates(request):
            layout = fit(entry.draw, request, self.options)
            if layout is None or entry.taken:
                continue
            if np.allclose(
                layout(base(entry.draw, request, self.options)), values, rtol=1e-4, atol=1e-5
            ):
                entry.used = True
            return

    def remember(self, request: Request, values: Array) -> None:
        if request.key:
            self.streams[request.key] = (request, values)

    def candidates(self, request: Request) -> Iterator[Entry]:
        """Unused draws that could answer, in order."""
        while self.start < len(self.entries) and self.entries[self.start].used:
            self.start += 1
        for entry in self.entries[self.start :]:
            if entry.used or not answers(entry.draw, request):
                continue
            if entry.draw.default and self.options.skip_defaults and not request.initialiser:
                continue
            yield entry

    def find(self, request: Request) -> tuple[Array, int, str] | None:
        return (
            self.next_piece(request, started=True)
            or self.whole(request)
            or self.next_piece(request, started=False)
            or self.assembled(request)
        )

    def whole(self, request: Request) -> tuple[Array, int, str] | None:
        """The first unused draw of the shape asked for. A block of data is begun before that."""
        for position, entry in enumerate(self.candidates(request)):
            if entry.taken:
                continue
            layout = fit(entry.draw, request, self.options)
            if layout is not None:
                entry.used = True
                self.squares += is_square_weight(entry.draw) and not request.keeps_layout
                return layout(base(entry.draw, request, self.options)), entry.number, "whole"
            if position == 0 and not entry.draw.weight and piece_of(entry, request):
                return None
        return None

    def next_piece(self, request: Request, started: bool) -> tuple[Array, int, str] | None:
        """The next rows of a recorded block."""
        for entry in self.candidates(request):
            if bool(entry.taken) is not started:
                continue
            piece = piece_of(entry, request)
            if piece is None:
                continue
            rows, layout = piece
            values = base(entry.draw, request, self.options)
            flat = values.reshape(squeezed(values.shape) or (1,))
            part = flat[entry.taken : entry.taken + rows]
            entry.taken += rows
            entry.used = entry.taken >= flat.shape[0]
            return layout(part), entry.number, "piece"
        return None

    def assembled(self, request: Request) -> tuple[Array, int, str] | None:
        """Several recorded draws as one block, along its first axis."""
        if not request.shape or request.shape[0] < 2:
            return None
        row = Request(
            request.family,
            request.shape[1:],
            request.natural,
            low=request.low,
            high=request.high,
            probability=request.probability,
            replace=request.replace,
            initialiser=request.initialiser,
            keeps_layout=request.keeps_layout,
            corrected=request.corrected,
        )
        parts: list[tuple[Entry, Layout]] = []
        for entry in self.candidates(request):
            layout = None if entry.taken else fit(entry.draw, row, self.options)
            if layout is not None:
                parts.append((entry, layout))
            if len(parts) == request.shape[0]:
                break
        if len(parts) < request.shape[0]:
            return None
        for entry, _ in parts:
            entry.used = True
        block = np.stack([layout(base(entry.draw, row, self.options)) for entry, layout in parts])
        return block.reshape(request.shape), parts[0][0].number, "assembled"


SOURCES: dict[str, tuple[str, ...]] = {
    "uniform": ("uniform", "bernoulli"),
    "normal": ("normal",),
    "truncated_normal": ("normal",),
    "bernoulli": ("bernoulli", "uniform"),
    "exponential": ("exponential",),
    "gumbel": ("exponential", "uniform"),
    "laplace": ("uniform",),
    "logistic": ("uniform",),
    "cauchy": ("cauchy",),
    "gamma": ("gamma",),
    "poisson": ("poisson",),
    "dirichlet": ("dirichlet",),
    "beta": ("dirichlet",),
    "orthogonal": ("orthogonal",),
    "integers": ("integers",),
    "permutation": ("permutation",),
    "categorical": ("categorical",),
}


def answers(draw: Draw, request: Request) -> bool:
    """Whether a draw's family and parameters can answer a request."""
    if draw.family not in SOURCES.get(request.family, ()):
        return False
    condition = CONDITIONS.get(request.family)
    if draw.family == "normal":
        condition = as_truncated
    return condition is None or condition(draw, request)


def as_truncated(draw: Draw, request: Request) -> bool:
    if request.family == "truncated_normal":
        return draw.truncated or request.corrected
    return not draw.truncated


def same_bounds(draw: Draw, request: Request) -> bool:
    return draw.high - draw.low == request.high - request.low


def same_count(draw: Draw, request: Request) -> bool:
    """NumPy's choice without replacement keeps only the first of a longer permutation."""
    return max(int(draw.high), draw.values.size) == int(request.high)


CONDITIONS: Mapping[str, Callable[[Draw, Request], bool]] = {
    "integers": same_bounds,
    "permutation": same_count,
    "laplace": lambda draw, _: draw.low < 0.0,
    **dict.fromkeys(("categorical", "gamma", "poisson", "dirichlet"), same_chances),
    "beta": lambda draw, request: draw.shape[-1] == 2 and same_chances(draw, request),
}
