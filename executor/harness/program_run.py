"""Runs one program in the box as a person would: `python program.py`, in a folder with its data.

Nothing here imports torch or jax; the two entries bring their own side.
"""

from __future__ import annotations

import ast
import importlib
import json
import linecache
import os
import random
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import lengths, observations, program_values, report

RUN = program_values.RUN
PROGRAM = "program.py"
SETTINGS = "settings.json"
RECORD = "record.npz"
# Files laid into /work/in for the harness itself, not for the program.
OWN_FILES = (PROGRAM, SETTINGS)
OWN_PREFIX = "t2j-"
# Modules that write event files through packages that are not here.
WRITERS = ("torch.utils.tensorboard", "flax.metrics.tensorboard")
PROVIDERS = Path(__file__).parent / "providers"
# Names that `main()` hands its variables over with; nothing of theirs is a variable.
KEEP, LOCALS = "__t2j_keep__", "__t2j_locals__"
JAX_NOTE = f"\n{'-' * 20}\nFor simplicity, JAX has removed its internal frames"
MAX_TRACEBACK = 8_000
MAX_MESSAGE = 2_000


@dataclass(slots=True)
class Ending:
    """How the program ended. `error` is None after a normal end."""

    namespace: dict[str, Any]
    error: dict[str, Any] | None
    before: dict[str, tuple[int, int]]


def prepare() -> None:
    """Lay the data files beside the program and make it harmless to call `plt.show()`."""
    RUN.mkdir(parents=True, exist_ok=True)
    for source in report.IN.iterdir():
        if source.name not in OWN_FILES and not source.name.startswith(OWN_PREFIX):
            (RUN / source.name).write_bytes(source.read_bytes())
    (RUN / PROGRAM).write_bytes((report.IN / PROGRAM).read_bytes())
    os.chdir(RUN)
    os.environ["MPLBACKEND"] = "module://t2j_backend"
    os.environ.setdefault("MPLCONFIGDIR", str(RUN.parent / "matplotlib"))


def open_providers(examples: int) -> None:
    """Let programs import the stand-ins; with `examples`, their data sets hold made-up data."""
    sys.path.append(str(PROVIDERS))
    standin = importlib.import_module("t2j_standin")
    standin.State.examples = examples
    standin.State.used.clear()
    board = importlib.import_module("tensorboardX")
    for name in WRITERS:
        sys.modules.setdefault(name, board)


def share_with_providers(handle: Any) -> None:
    """Let the stand-ins' own transforms ask for the reference's draws."""
    importlib.import_module("t2j_standin").State.handle = handle


def data_used() -> list[str]:
    """Data sets that the program took from the stand-ins."""
    standin = sys.modules.get("t2j_standin")
    return list(dict.fromkeys(standin.State.used)) if standin is not None else []


def scalars() -> dict[str, Any]:
    """Curves that the program wrote for TensorBoard, by tag."""
    board = sys.modules.get("t2j_standin.board")
    found = {} if board is None else board.State.scalars
    return {tag: np.asarray(values) for tag, values in found.items()}


def plots() -> dict[str, Any]:
    """What the program drew with matplotlib, by a name for each part."""
    backend = sys.modules.get("t2j_backend")
    try:
        return dict(backend.remaining()) if backend is not None else {}
    except Exception:
        return {}


def seed_generators(seed: int) -> None:
    """Python's and NumPy's generators: an unseeded program then repeats itself."""
    random.seed(seed)
    np.random.seed(seed)


def settings() -> dict[str, Any]:
    """The job's settings, which the program never needs."""
    read: dict[str, Any] = json.loads((report.IN / SETTINGS).read_text())
    return read


def execute(constants: Mapping[str, Any]) -> Ending:
    """Run the program as `__main__`, constants overridden. Its errors are recorded, not raised."""
    source = (RUN / PROGRAM).read_text(encoding="utf-8", errors="replace")
    linecache.cache[PROGRAM] = (len(source), None, source.splitlines(keepends=True), PROGRAM)
    module = types.ModuleType("__main__")
    module.__file__ = PROGRAM
    sys.modules["__main__"] = module
    sys.argv = [PROGRAM]
    sys.path.insert(0, str(RUN))
    before = program_values.snapshot()
    error: dict[str, Any] | None = None
    kept: dict[str, Any] = {}
    try:
        tree = keep_locals(lengths.override(ast.parse(source, PROGRAM), constants))
        module.__dict__.update({KEEP: kept.update, LOCALS: locals})
        exec(compile(tree, PROGRAM, "exec"), module.__dict__)  # noqa: S102 - the box's work
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            error = describe(leaving)
    except BaseException as raised:
        error = describe(raised)
    flush()
    return Ending({**kept, **module.__dict__}, error, before)


def keep_locals(tree: ast.Module) -> ast.Module:
    """The program with the variables of its `main()` kept when that ends."""
    main = lengths.main_of(tree)
    if main is None or any(map(is_yield, ast.walk(main))):
        return tree
    kept = ast.parse(f"{KEEP}({LOCALS}())").body
    for each in ast.walk(kept[0]):
        ast.copy_location(each, main.body[-1])
    whole = ast.Try(body=main.body, handlers=[], orelse=[], finalbody=kept)
    main.body = [ast.copy_location(whole, main.body[0])]
    return ast.fix_missing_locations(tree)


def is_yield(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom)


def observe(code: str, side: str, ending: Ending, convert: Any) -> dict[str, Any]:
    """What the contract's own lines observe after the program, by probe name.

    An error in them is the program's error: they ask for what it has to have.
    """
    if not code.strip() or ending.error is not None:
        return {}
    try:
        found = observations.collect(
            code, side, ending.namespace, lambda value: program_values.to_array(value, convert)
        )
    except BaseException as raised:
        ending.error = describe(raised)
        return {}
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 - a program may have closed or replaced its streams
            continue


def describe(error: BaseException) -> dict[str, Any]:
    """Type, message, line and traceback of an error, with the person's own frames only."""
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == PROGRAM
    ]
    line = own[-1].lineno if own else getattr(error, "lineno", None)
    shown = "".join(
        f'  File "{PROGRAM}", line {frame.lineno}, in {frame.name}\n'
        + (f"    {frame.line}\n" if frame.line else "")
        for frame in own[-20:]
    )
    last = message_of(error)
    return {
        "type": type(error).__name__,
        "bases": [each.__name__ for each in type(error).__mro__][:12],
        "message": last[:MAX_MESSAGE],
        "module": str(getattr(error, "name", None) or "") if isinstance(error, ImportError) else "",
        "line": line,
        "traceback": f"Traceback (most recent call last):\n{shown}{last}"[-MAX_TRACEBACK:],
    }


def message_of(error: BaseException) -> str:
    """The last line of a traceback: `ValueError: what was wrong`, without JAX's note on frames."""
    try:
        told = "".join(traceback.format_exception_only(type(error), error))
        return told.partition(JAX_NOTE)[0].strip()
    except Exception:
        return type(error).__name__
