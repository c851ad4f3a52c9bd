"""What goes into a box and what comes out of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Device = Literal["cpu", "gpu"]
End = Literal["exited", "timeout", "memory", "output", "disk", "signal", "infrastructure"]

FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
ENTRY_NAME = re.compile(r"[a-z_][a-z0-9_]{0,60}")


class SandboxUnavailable(Exception):
    """No box can be had on this machine; the text says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use.

    wall_s, cpu_s: seconds (CPU over all processes of the job); memory_mb, work_mb, files_mb: MiB;
    output_kb: KiB for each of stdout and stderr.
    """

    wall_s: float = 180.0
    cpu_s: float = 360.0
    memory_mb: int = 4096
    processes: int = 128
    work_mb: int = 512
    output_kb: int = 1024
    files_mb: int = 256
    open_files: int = 512


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `harness.<entry>` in a fresh box.

    `files` are laid into /work/in; `cache_scope` names the compilation cache this job may read
    and add to; `device` "gpu" wants the runtime's GPU variant and a GPU to itself. Raises
    ValueError for names that could leave their folder.
    """

    runtime: str
    entry: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = Limits()
    cache_scope: str | None = None
    device: Device = "cpu"

    def __post_init__(self) -> None:
        if not ENTRY_NAME.fullmatch(self.entry):
            raise ValueError(f"{self.entry!r} cannot be the name of a harness module")
        for name in self.files:
            if not FILE_NAME.fullmatch(name) or name in {".", ".."}:
                raise ValueError(f"{name!r} cannot be the name of a job file")


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended. `files` are the regular files of /work/out; MiB and seconds throughout.

    `device` is "cpu", or "gpu" and its number on the host.
    """

    end: End
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    isolation: str
    detail: str
    device: str = "cpu"
