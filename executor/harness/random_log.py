"""The log of random draws: what the reference drew, in order, as the candidate's side reads it.

A draw is kept in the scale of its family, so that a candidate with another scale shows:
    uniform      values in [0, 1); `low`, `high` are the bounds it was drawn with
    normal       values of mean 0 and deviation 1; `low` is the mean, `high` the deviation
    exponential  values of rate 1
    bernoulli    0 or 1; `probability` is the chance of 1, one number or one per element
    integers     whole numbers from `low` up to, not including, `high`
    permutation  a permutation of range(n)
    categorical  indices; `probability` holds the normalised weights, last axis the classes
    gamma, poisson, dirichlet
                 values as drawn; `probability` holds the family's parameter
    cauchy       values of median 0 and scale 1
    orthogonal   an orthogonal matrix, in the shape of the parameter that it fills
    other        a family that cannot be handed on
Needs NumPy only.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MAX_BYTES = 160 * 1024 * 1024
MAX_DRAWS = 200_000
KINDS = ("float", "whole", "bits")


@dataclass(slots=True)
class Draw:
    """One random draw of the reference.

    source     `torch`, `numpy` or `python`
    operation  name of the call, as a person knows it
    line       line of the program that led to it, 0 when unknown
    weight     drawn in place into a parameter
    default    by a layer's own initialiser, not by one that the program names
    dead       overwritten before it was read, or thrown away by its caller
    parameter  name of the parameter it filled, once its module is built
    """

    family: str
    shape: tuple[int, ...]
    values: Array
    low: float = 0.0
    high: float = 1.0
    probability: Array | None = None
    source: str = "torch"
    operation: str = ""
    line: int = 0
    weight: bool = False
    default: bool = False
    dead: bool = False
    truncated: bool = False
    parameter: str = ""


@dataclass(slots=True)
class Log:
    """Draws in order. `overflow` is set once they no longer fit; later ones are not kept."""

    draws: list[Draw] = field(default_factory=list)
    bytes: int = 0
    overflow: bool = False

    def add(self, draw: Draw) -> Draw:
        size = draw.values.size // 8 if draw.family == "bernoulli" else 4 * draw.values.size
        if len(self.draws) >= MAX_DRAWS or self.bytes + size > MAX_BYTES:
            self.overflow = True
            return draw
        self.bytes += size
        self.draws.append(draw)
        return draw


def kind_of(draw: Draw) -> str:
    if draw.family == "bernoulli":
        return "bits"
    return "whole" if draw.values.dtype.kind in "biu" else "float"


def encode(log: Log) -> bytes:
    """One .npz: the draws' descriptions as JSON, their values end to end by kind."""
    blobs: dict[str, list[Array]] = {kind: [] for kind in KINDS}
    described = []
    for draw in log.draws:
        kind = kind_of(draw)
        blobs[kind].append(draw.values.reshape(-1))
        entry = {
            key: value
            for key, value in asdict(draw).items()
            if key not in ("values", "probability")
        }
        entry["kind"] = kind
        if draw.probability is not None:
            entry["weights"] = list(draw.probability.shape)
            blobs["float"].append(draw.probability.reshape(-1))
        described.append(entry)
    text = json.dumps({"draws": described, "overflow": log.overflow}, separators=(",", ":"))
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        text=np.frombuffer(text.encode(), dtype=np.uint8),
        float=joined(blobs["float"], np.float64),
        whole=joined(blobs["whole"], np.int64),
        bits=np.packbits(joined(blobs["bits"], np.bool_)),
    )
    return buffer.getvalue()


def joined(arrays: list[Array], dtype: Any) -> Array:
    if not arrays:
        return np.zeros(0, dtype=dtype)
    result: Array = np.concatenate(arrays).astype(dtype, copy=False)
    return result


def decode(data: bytes) -> Log:
    """The log in `data`, which this module's `encode` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        described = json.loads(archive["text"].tobytes())
        blobs = {
            "float": archive["float"],
            "whole": archive["whole"],
            "bits": np.unpackbits(archive["bits"]),
        }
    ends = dict.fromkeys(KINDS, 0)

    def take(kind: str, shape: tuple[int, ...]) -> Array:
        start = ends[kind]
        ends[kind] = start + int(np.prod(shape, dtype=np.int64))
        part: Array = blobs[kind][start : ends[kind]].reshape(shape)
        return part

    log = Log(overflow=bool(described["overflow"]))
    for entry in described["draws"]:
        kind, weights = entry.pop("kind"), entry.pop("weights", None)
        shape = tuple(entry.pop("shape"))
        values = take(kind, shape)
        probability = None if weights is None else take("float", tuple(weights))
        log.draws.append(Draw(shape=shape, values=values, probability=probability, **entry))
    return log
