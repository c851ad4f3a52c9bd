"""What names of layers and parameters say."""

from __future__ import annotations

import re
from collections.abc import Sequence

ROLES = {
    "weight": (
        "kernel",
        "weight",
        "weights",
        "w",
        "scale",
        "gamma",
        "g",
        "embedding",
        "embeddings",
        "table",
        "filter",
        "filters",
        "codebook",
    ),
    "bias": ("bias", "biases", "b", "beta", "offset"),
    "mean": ("mean", "running_mean", "moving_mean", "runningmean"),
    "variance": ("var", "running_var", "moving_var", "variance", "runningvar"),
}
ROLE_OF = {name: role for role, names in ROLES.items() for name in names}
SYNONYMS = {
    "query": "q",
    "key": "k",
    "value": "v",
    "values": "v",
    "keys": "k",
    "queries": "q",
    "output": "out",
    "o": "out",
    "wq": "q",
    "wk": "k",
    "wv": "v",
    "wo": "out",
    "layernorm": "norm",
    "ln": "norm",
    "batchnorm": "norm",
    "bn": "norm",
    "groupnorm": "norm",
    "gn": "norm",
    "embedding": "embed",
    "emb": "embed",
    "embeddings": "embed",
}
GENERIC = {
    "linear",
    "dense",
    "fc",
    "proj",
    "projection",
    "layer",
    "layers",
    "module",
    "self",
    "params",
    "model",
    "net",
    "lin",
    "matmul",
    "gemm",
    "conv",
    "conv2d",
    "conv1d",
    "conv3d",
    "param",
    "parameter",
}
AUTOMATIC = re.compile(r"[A-Z][A-Za-z0-9]*_\d+\Z")

# `Wq`, `bo`, `Whh`: a role's letter and the name of the place.
SHORT = re.compile(r"([WwBb])([a-z]|[ihx][hx])\Z")


def role_of(name: str) -> str:
    """weight, bias, mean, variance, or "" when the name says nothing."""
    return ROLE_OF.get(name.lower().strip("_"), "")


def split_leaf(name: str) -> tuple[str, str]:
    """A flat parameter name as (stem, role name): `fc1_w` -> (fc1, w), `W1` -> (1, W)."""
    if role_of(name):
        return "", name
    short = SHORT.match(name)
    if short:
        return short[2].lower(), short[1]
    words = tokens(name)
    for place in (-1, 0):
        if len(words) > 1 and role_of(words[place]):
            rest = words[:-1] if place == -1 else words[1:]
            return "_".join(rest), words[place]
    if len(words) > 2:
        joined = "_".join(words[-2:])
        if role_of(joined):
            return "_".join(words[:-2]), joined
    return name, ""


def tokens(name: str) -> list[str]:
    """Lower-case words and numbers of a name: `convTranspose2_w` -> conv, transpose, 2, w."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return [each.lower() for each in re.findall(r"[A-Za-z]+|\d+", spaced)]


def stem_tokens(parts: Sequence[str]) -> tuple[str, ...]:
    """The telling words of a path: synonyms joined, generic words and roles left out."""
    words = [SYNONYMS.get(word, word) for part in parts for word in tokens(part)]
    return tuple(word for word in words if word not in GENERIC and not role_of(word))


def is_automatic(part: str) -> bool:
    """Whether a name was made by a library (`Dense_0`), so that it says nothing."""
    return bool(AUTOMATIC.match(part))
