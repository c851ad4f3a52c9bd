"""One side of a program's verdict: the job that runs it, and what came back, as plain data.

Everything here is hostile until read: a record that is absent, malformed or oversized is a
property of the program that left it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from executor.harness.codec import Opaque
from executor.parity.arrays import Unreadable, read_packet
from executor.parity.contract import Contract
from executor.sandbox.job import Job, JobResult, Limits

RECORD = "record.npz"
PROGRAM = "program.py"
SETTINGS = "settings.json"
MAX_TEXT = 4_000
MAX_MAPPED = 500

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ProgramError:
    """An exception that ended a program, with the person's own frames only."""

    type: str
    bases: tuple[str, ...]
    message: str
    module: str
    line: int | None
    traceback: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the program wrote. `arrays` holds an image's pixels under "pixels"."""

    kind: str
    text: str = ""
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """What one run of a program showed."""

    result: JobResult
    error: ProgramError | None = None
    values: Mapping[str, Array] = field(default_factory=dict)
    files: Mapping[str, WrittenFile] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def text(self) -> str:
        return self.result.stdout


def job(
    runtime: str,
    entry: str,
    code: str,
    contract: Contract,
    files: Mapping[str, bytes],
    *,
    settings: Mapping[str, Any],
    own_files: Mapping[str, bytes] | None = None,
    cache_scope: str | None = None,
) -> Job:
    """The job that runs `code` with its data files. `settings` reach the harness only."""
    return Job(
        runtime=runtime,
        entry=entry,
        files={
            **files,
            **(own_files or {}),
            PROGRAM: code.encode(),
            SETTINGS: json.dumps({**shared_settings(contract), **settings}).encode(),
        },
        limits=Limits(
            wall_s=contract.wall_s, cpu_s=2 * contract.wall_s, memory_mb=contract.memory_mb
        ),
        cache_scope=cache_scope,
    )


def shared_settings(contract: Contract) -> dict[str, Any]:
    """Settings that both sides have alike."""
    return {
        "seed": contract.seed,
        "data_examples": contract.data_examples if contract.data_provider == "stand_in" else 0,
    }


def read_side(result: JobResult) -> Side:
    """What a box left, read as hostile data. Never raises for what a program did."""
    if result.end != "exited":
        return Side(result)
    try:
        record = read_packet(result.files, RECORD)
    except Unreadable as error:
        return Side(result, unreadable=str(error))
    if not isinstance(record, dict):
        return Side(result, unreadable=f"{RECORD} does not hold a record.")
    known = ("error", "values", "files", "versions")
    return Side(
        result,
        error=read_error(record.get("error")),
        values=read_arrays(record.get("values")),
        files=read_files(record.get("files")),
        versions=read_texts(record.get("versions")),
        extra={key: value for key, value in record.items() if key not in known},
    )


def read_error(data: Any) -> ProgramError | None:
    if not isinstance(data, dict):
        return None
    line = data.get("line")
    bases = data.get("bases")
    return ProgramError(
        type=as_text(data.get("type")) or "Error",
        bases=tuple(as_text(each) for each in bases) if isinstance(bases, list) else (),
        message=as_text(data.get("message")),
        module=as_text(data.get("module")),
        line=line if isinstance(line, int) and 0 < line < 10_000_000 else None,
        traceback=as_text(data.get("traceback"), 4 * MAX_TEXT),
    )


def read_arrays(data: Any) -> dict[str, Array]:
    if not isinstance(data, dict):
        return {}
    return {
        str(name)[:200]: value
        for name, value in data.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc"
    }


def read_files(data: Any) -> dict[str, WrittenFile]:
    if not isinstance(data, dict):
        return {}
    return {str(name)[:200]: read_file(each) for name, each in data.items()}


def read_file(data: Any) -> WrittenFile:
    if not isinstance(data, dict):
        return WrittenFile("other")
    kind = as_text(data.get("kind"))
    if kind == "text" and isinstance(data.get("text"), str):
        return WrittenFile("text", text=data["text"])
    if kind == "arrays":
        return WrittenFile("arrays", arrays=read_arrays(data.get("arrays")))
    if kind == "image":
        return WrittenFile("image", arrays=read_arrays({"pixels": data.get("pixels")}))
    return WrittenFile("other")


def read_mapping(data: Any) -> tuple[dict[str, Any], ...]:
    """Which of the reference's parameters was carried into which of the candidate's, in words."""
    if not isinstance(data, list):
        return ()
    return tuple(
        {
            "candidate": as_text(entry.get("candidate"), 200),
            "how": as_text(entry.get("how"), 400),
            "why": as_text(entry.get("why"), 100),
            "merged": isinstance(entry.get("recipe"), dict)
            and entry["recipe"].get("combine") == "sum",
        }
        for entry in data[:MAX_MAPPED]
        if isinstance(entry, dict)
    )


def read_texts(data: Any) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    return {
        as_text(key): as_text(value, 100) for key, value in data.items() if isinstance(value, str)
    }


def as_text(value: Any, limit: int = MAX_TEXT) -> str:
    return value[:limit] if isinstance(value, str) and not isinstance(value, Opaque) else ""
