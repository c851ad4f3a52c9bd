"""Runtimes: which interpreter and packages run one side of a pair. One TOML file each.

Standard library only: the launcher uses this before anything is installed.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

Side = Literal["reference", "candidate"]
Device = Literal["cpu", "gpu"]
STAMP = "t2j-runtime.sha256"
# torch._dynamo: the first call of any torch function in a mode, as the recorder is one, imports it,
# which costs ten times what a small program does. mhlo: the same at JAX's first compilation.
_PRELOAD: dict[Side, tuple[str, ...]] = {
    "reference": ("numpy", "torch", "torch._dynamo"),
    "candidate": (
        *("numpy", "jax", "jaxlib.mlir.dialects.mhlo"),
        *("flax.linen", "flax.nnx", "optax", "equinox", "haiku"),
    ),
}


class RuntimeUnavailable(Exception):
    """A runtime is unknown, badly described or not installed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One runtime: `prefix` is its virtual environment, `python` the interpreter in it.

    An `optional` one is installed when asked for (`install_runtime`), not by `./t2j up`.
    `gpu_variant_of` names the runtime whose jobs come here when they want a GPU.
    """

    name: str
    side: Side
    summary: str
    prefix: Path
    python: Path
    env: Mapping[str, str]
    requirements: tuple[str, ...]
    preload: tuple[str, ...]
    optional: bool
    gpu_variant_of: str


def names() -> list[str]:
    """The names of all described runtimes."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def folder() -> Path:
    """Where the virtual environments live: T2J_RUNTIMES, or `.runtimes` in the project."""
    return Path(os.environ.get("T2J_RUNTIMES") or PROJECT / ".runtimes").resolve()


def load(name: str, device: Device = "cpu") -> Runtime:
    """The installed runtime of this name, or its variant for GPUs; raises RuntimeUnavailable."""
    if device == "gpu":
        name = gpu_variant(name)
    runtime = describe(name)
    if not runtime.python.exists():
        raise RuntimeUnavailable(
            f"Runtime '{name}' is not installed: ./t2j manage install_runtime {name}"
        )
    return runtime


def gpu_variant(name: str) -> str:
    """The name of the runtime that runs jobs of `name` on a GPU; raises RuntimeUnavailable."""
    described = [describe(one) for one in names()]
    for one in described:
        if one.gpu_variant_of == name or (one.name == name and one.gpu_variant_of):
            return one.name
    raise RuntimeUnavailable(f"Runtime '{name}' has no variant for GPUs: send the run to the CPU.")


def describe(name: str) -> Runtime:
    """What the runtime's file says, installed or not; raises RuntimeUnavailable."""
    if name not in names():
        raise RuntimeUnavailable(f"There is no runtime '{name}'; known: {', '.join(names())}")
    path = HERE / f"{name}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return _checked(name, data)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise RuntimeUnavailable(f"{path.name}: {error}") from error


def _checked(name: str, data: dict[str, Any]) -> Runtime:
    known = {field.name for field in fields(Runtime)} - {"prefix", "python"}
    if unknown := set(data) - known:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(known))}")
    if data.get("name") != name:
        raise ValueError(f"`name` must be {name!r}, as the file's")
    side = data.get("side")
    if side not in _PRELOAD:
        raise ValueError("`side` must be 'reference' or 'candidate'")
    requirements = _texts(data, "requirements")
    preload = _texts(data, "preload") if "preload" in data else _PRELOAD[cast(Side, side)]
    env = data.get("env", {})
    if not all(isinstance(value, str) for value in env.values()):
        raise ValueError("every value of [env] must be a text")
    optional = data.get("optional", False)
    if not isinstance(optional, bool):
        raise ValueError("`optional` must be true or false")
    variant_of = data.get("gpu_variant_of", "")
    if not isinstance(variant_of, str):
        raise ValueError("`gpu_variant_of` must be the name of a runtime")
    prefix = folder() / name
    return Runtime(
        name=name,
        side=cast(Side, side),
        summary=str(data.get("summary", "")),
        prefix=prefix,
        python=prefix / "bin" / "python",
        env=env,
        requirements=requirements,
        preload=preload,
        optional=optional,
        gpu_variant_of=variant_of,
    )


def _texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"`{key}` must be a list of texts")
    return tuple(value)


def stamp(name: str) -> str:
    """What an installation of this runtime is made from: the hash of its two files."""
    digest = hashlib.sha256()
    for path in (HERE / f"{name}.toml", HERE / f"{name}.lock"):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()
