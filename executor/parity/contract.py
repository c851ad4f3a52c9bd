"""The contract: what is observed, on which inputs, with which tolerance. It is data."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self

VERSION = 1
PROFILES = ("fp32", "bf16", "fp16", "training")
CASES = ("declared", "fresh", "signed", "small")
PROVIDERS = ("none", "stand_in")
LAYOUTS = ("as_is", "transposed", "flipped")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Longer than any snippet a person wrote; past it even parsing costs gigabytes.
DEVICES = ("", "cpu", "gpu")
MAX_CODE = 2_000_000
_PARSING = threading.Lock()


class ContractError(ValueError):
    """The contract cannot be used. The text is a sentence for its author."""


class Shape(StrEnum):
    """The three shapes of snippet."""

    MODULE = "module"
    PROGRAM = "program"
    FUNCTIONS = "functions"


@dataclass(frozen=True, slots=True)
class Pin:
    """One parameter of the candidate, tied to one of the reference by a person."""

    source: str
    layout: str = "as_is"


@dataclass(frozen=True, slots=True)
class Contract:
    """What is observed, on which inputs, with which tolerance.

    kind              shape of the snippet
    seed              seeds every generator on both sides
    profile           tolerance profile of outputs, losses and gradients
    cases             inputs of a module: `declared` by get_inputs(), `fresh` (get_inputs() under
                      another seed), `signed` (normal, mean 0) and `small` (signed, scaled by 0.03)
    inputs            name of an attached .npz whose arrays replace get_inputs(), or None
    gradients         compare gradients of a scalar loss
    train_mode        compare outputs and running statistics in train mode (dropout off)
    training_steps    SGD steps of the short training replay; 0 leaves it out
    constants         module-level literals to override by name, in both snippets alike
    auto_constants    let the machine shrink sizes that would not fit its limits
    pins              candidate parameter path -> Pin
    observe_reference, observe_candidate
                      Python lines run after each snippet, in its namespace, that call
                      observe(name, value)
    names             reference name -> candidate name, for module-level values of programs
    ignore            names of probes that are not compared (shell patterns)
    tolerances        probe name (shell pattern) -> relative tolerance that replaces the profile's
    allow_nan         NaN equals NaN at the same place
    data_provider     `stand_in`: data sets that programs download are made up, small and always
                      the same; `none`: they are not there
    data_examples     how many training examples a made-up data set has; a quarter more for testing
    wall_s, memory_mb limits of one run, seconds and MiB
    device            "cpu" or "gpu": where runs wait to be executed; empty: on the CPU, unless
                      whoever asks for runs says otherwise
    """

    kind: Shape = Shape.MODULE
    seed: int = 0
    profile: str = "fp32"
    cases: tuple[str, ...] = CASES
    inputs: str | None = None
    gradients: bool = True
    train_mode: bool = True
    training_steps: int = 3
    constants: Mapping[str, Any] = field(default_factory=dict)
    auto_constants: bool = True
    pins: Mapping[str, Pin] = field(default_factory=dict)
    observe_reference: str = ""
    observe_candidate: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    tolerances: Mapping[str, float] = field(default_factory=dict)
    allow_nan: bool = False
    data_provider: str = "none"
    data_examples: int = 2000
    wall_s: float = 180.0
    memory_mb: int = 4096
    device: str = ""

    @classmethod
    def recognise(cls, reference: str, candidate: str) -> Self:
        """The contract that two snippets get without configuration.

        Raises ContractError when the reference is not Python that can be read.
        """
        return cls(kind=recognise_shape(reference, candidate))

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read a contract. Raises ContractError with one sentence that names the field."""
        if not isinstance(data, Mapping):
            raise ContractError("A contract is a JSON object.")
        version = data.get("version", VERSION)
        if version != VERSION:
            raise ContractError(
                f"This contract has version {version!r}; this engine reads version {VERSION}."
            )
        known = {each.name for each in fields(cls)} | {"version"}
        unknown = sorted(str(key) for key in data if key not in known)
        if unknown:
            raise ContractError(
                f"Unknown field {unknown[0]!r} in the contract; known are "
                f"{', '.join(sorted(known))}."
            )
        values = {key: READERS[key](key, data[key]) for key in data if key != "version"}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal contract."""
        return {
            "version": VERSION,
            "kind": str(self.kind),
            "seed": self.seed,
            "profile": self.profile,
            "cases": list(self.cases),
            "inputs": self.inputs,
            "gradients": self.gradients,
            "train_mode": self.train_mode,
            "training_steps": self.training_steps,
            "constants": dict(self.constants),
            "auto_constants": self.auto_constants,
            "pins": {
                path: {"source": pin.source, "layout": pin.layout}
                for path, pin in self.pins.items()
            },
            "observe_reference": self.observe_reference,
            "observe_candidate": self.observe_candidate,
            "names": dict(self.names),
            "ignore": list(self.ignore),
            "tolerances": dict(self.tolerances),
            "allow_nan": self.allow_nan,
            "data_provider": self.data_provider,
            "data_examples": self.data_examples,
            "wall_s": self.wall_s,
            "memory_mb": self.memory_mb,
            "device": self.device,
        }

    def with_constants(self, constants: Mapping[str, Any]) -> Self:
        """The same contract with further overrides; the contract's own win."""
        return replace(self, constants={**constants, **self.constants})


def recognise_shape(reference: str, candidate: str) -> Shape:
    """Which of the three shapes a pair of snippets has, judged by the reference.

    Module: the reference defines `Model` and `get_inputs`. Program: code runs at module level
    (calls, loops, a `__main__` block). Functions: anything else.
    """
    if len(reference) > MAX_CODE:
        raise ContractError(
            f"The reference has {len(reference):,} characters; at most {MAX_CODE:,} are read."
        )
    tree = parse(reference, "reference")
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if "Model" in defined and "get_inputs" in defined:
        return Shape.MODULE
    if any(runs_something(node) for node in tree.body):
        return Shape.PROGRAM
    return Shape.FUNCTIONS


def parsed(code: str) -> ast.Module:
    """`ast.parse`, one thread at a time.

    Python 3.11 counts the depth of all threads' trees together and raises SystemError when two
    are built at once; libraries build some, too.
    """
    with _PARSING:
        for _ in range(9):
            try:
                return ast.parse(code)
            except SystemError:
                continue
        return ast.parse(code)


def parse(code: str, side: str) -> ast.Module:
    """The syntax tree of `code`. Raises ContractError with the line when it is not Python."""
    try:
        return parsed(code)
    except SyntaxError as error:
        raise ContractError(
            f"The {side} is not Python 3: {error.msg} (line {error.lineno})."
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ContractError(f"The {side} cannot be read as Python: {error}.") from error


def runs_something(node: ast.stmt) -> bool:
    """Whether a module-level statement does work rather than declare."""
    if isinstance(node, ast.For | ast.While | ast.With | ast.If | ast.Try | ast.AugAssign):
        return any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    if isinstance(node, ast.Expr):
        return any(isinstance(inner, ast.Call) for inner in ast.walk(node.value))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is not None and any(
            isinstance(inner, ast.Call) for inner in ast.walk(node.value)
        )
    return False


def _shape(key: str, value: object) -> Shape:
    try:
        return Shape(str(value))
    except ValueError as error:
        raise ContractError(
            f"{key}: {value!r} is not one of {', '.join(map(str, Shape))}."
        ) from error


def _integer(low: int, high: int) -> Any:
    def read(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ContractError(f"{key}: {value!r} is not a whole number from {low} to {high}.")
        return value

    return read


def _number(low: float, high: float) -> Any:
    def read(key: str, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ContractError(f"{key}: {value!r} is not a number.")
        if not low <= value <= high:
            raise ContractError(f"{key}: {value!r} is not between {low:g} and {high:g}.")
        return float(value)

    return read


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ContractError(f"{key}: {value!r} is not true or false.")
    return value


def _profile(key: str, value: object) -> str:
    if value not in PROFILES:
        raise ContractError(f"{key}: {value!r} is not one of {', '.join(PROFILES)}.")
    return str(value)


def _provider(key: str, value: object) -> str:
    if value not in PROVIDERS:
        raise ContractError(f"{key}: {value!r} is not one of {', '.join(PROVIDERS)}.")
    return str(value)


def _device(key: str, value: object) -> str:
    if value not in DEVICES:
        raise ContractError(f"{key}: {value!r} is not one of {', '.join(DEVICES[1:])}, or empty.")
    return str(value)


def _cases(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or any(v not in CASES for v in value):
        raise ContractError(f"{key}: give a list out of {', '.join(CASES)}.")
    return tuple(dict.fromkeys(str(each) for each in value))


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_CODE:
        raise ContractError(f"{key}: give text.")
    return value


def _file_name(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._-]+\.np[yz]", value):
        raise ContractError(f"{key}: {value!r} is not the name of an attached .npz or .npy file.")
    return value


def _code(key: str, value: object) -> str:
    text = _text(key, value)
    parse(text, key)
    return text


def _constants(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ContractError(f'{key}: give an object such as {{"batch_size": 4}}.')
    for name, literal in value.items():
        if not isinstance(name, str) or not NAME.match(name):
            raise ContractError(f"{key}: {name!r} is not the name of a constant.")
        if not is_literal(literal):
            raise ContractError(
                f"{key}: {name} must be a number, text, true, false or a list of these."
            )
    return dict(value)


def is_literal(value: object) -> bool:
    """Whether `value` can stand in a snippet as a literal constant."""
    if isinstance(value, list | tuple):
        return all(is_literal(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def _pins(key: str, value: object) -> dict[str, Pin]:
    if not isinstance(value, Mapping):
        raise ContractError(f"{key}: give an object of candidate parameter -> source.")
    pins = {}
    for path, entry in value.items():
        pin = {"source": entry} if isinstance(entry, str) else entry
        if not isinstance(pin, Mapping) or not isinstance(pin.get("source"), str):
            raise ContractError(f"{key}: {path} needs a source, the reference's parameter name.")
        layout = pin.get("layout", "as_is")
        if layout not in LAYOUTS:
            raise ContractError(f"{key}: {path}: layout is one of {', '.join(LAYOUTS)}.")
        pins[str(path)] = Pin(pin["source"], layout)
    return pins


def _names(key: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(a, str) and isinstance(b, str) for a, b in value.items()
    ):
        raise ContractError(f"{key}: give an object of reference name -> candidate name.")
    return dict(value)


def _strings(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ContractError(f"{key}: give a list of names.")
    return tuple(value)


def _tolerances(key: str, value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ContractError(f"{key}: give an object of probe name -> relative tolerance.")
    read = _number(0.0, 0.1)
    return {str(name): read(f"{key}: {name}", each) for name, each in value.items()}


READERS: Mapping[str, Any] = {
    "kind": _shape,
    "seed": _integer(0, 2**31 - 1),
    "profile": _profile,
    "cases": _cases,
    "inputs": _file_name,
    "gradients": _boolean,
    "train_mode": _boolean,
    "training_steps": _integer(0, 100),
    "constants": _constants,
    "auto_constants": _boolean,
    "pins": _pins,
    "observe_reference": _code,
    "observe_candidate": _code,
    "names": _names,
    "ignore": _strings,
    "tolerances": _tolerances,
    "allow_nan": _boolean,
    "data_provider": _provider,
    "data_examples": _integer(8, 60_000),
    "wall_s": _number(1.0, 3600.0),
    "memory_mb": _integer(256, 65536),
    "device": _device,
}
