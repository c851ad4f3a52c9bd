"""The header of a hostile program: what must happen.

`does`, `end` (one of), `says` (in stdout), `exit`, `signal`, `files` (exactly these results),
`holds_not` (no result has it), `packets: refused` (our readers take none of its results), `cache`
(it is given a compilation cache with an entry of this name, which must stay), `limits`, `runtime`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.sandbox import Job, JobResult, Limits, compile_cache

FOLDER = Path(__file__).parents[3] / "fixtures" / "hostile"
PROGRAMS = sorted(FOLDER.glob("*.py"))


@dataclass(frozen=True)
class Ended:
    """How a program ended, as far as headers speak of it."""

    end: str
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    files: dict[str, str]
    detail: str

    @classmethod
    def of(cls, result: JobResult) -> "Ended":
        files = {name: data[:4096].decode("latin-1") for name, data in result.files.items()}
        return cls(
            result.end,
            result.exit_code,
            result.signal,
            result.stdout,
            result.stderr,
            files,
            result.detail,
        )


@dataclass(frozen=True)
class Expected:
    """`# key: value` lines at the top of a program."""

    values: dict[str, str]

    @classmethod
    def read(cls, text: str) -> "Expected":
        return cls(dict(re.findall(r"^# (\w+): ?(.*)$", text, re.MULTILINE)))

    @property
    def limits(self) -> Limits:
        chosen: dict[str, Any] = {"wall_s": 120.0, "memory_mb": 1024}
        for name, value in re.findall(r"(\w+)=([\d.]+)", self.values.get("limits", "")):
            chosen[name] = float(value) if name.endswith("_s") else int(value)
        return Limits(**chosen)

    def job(self, text: str) -> Job:
        scope = "hostile" if "cache" in self.values else None
        runtime = self.values.get("runtime", "jax")
        return Job(runtime, "selftest_program", {"code.py": text.encode()}, self.limits, scope)

    def fill_cache(self, job: Job) -> None:
        if "cache" in self.values:
            assert job.cache_scope is not None
            compile_cache.add(job.runtime, job.cache_scope, {self.values["cache"]: b"honest"})

    def check_cache(self, job: Job) -> None:
        """The scope holds what it held, plain new files at most, and no other scope holds any."""
        if "cache" in self.values:
            assert job.cache_scope is not None
            kept = compile_cache.read(job.runtime, job.cache_scope)
            assert kept.pop(self.values["cache"]) == b"honest"
            assert set(kept) <= {"new"}
            assert compile_cache.read(job.runtime, "other") == {}
            assert all(path.is_file() for path in compile_cache.folder().glob("*/*"))

    def check(self, ended: Ended) -> None:
        shown = f"{ended.end} {ended.detail}\n{ended.stdout[-500:]}\n{ended.stderr[-1500:]}"
        assert ended.end in re.split(r", *", self.values["end"]), shown
        assert "ESCAPED" not in ended.stdout, shown
        if "says" in self.values:
            assert self.values["says"] in ended.stdout, shown
        if "exit" in self.values:
            assert ended.exit_code == int(self.values["exit"]), shown
        if "signal" in self.values:
            assert ended.signal == int(self.values["signal"]), shown
        if "files" in self.values:
            assert sorted(ended.files) == self.values["files"].split(), shown
        if "holds_not" in self.values:
            assert not [n for n, text in ended.files.items() if self.values["holds_not"] in text]
        if ended.end != "exited":
            assert ended.detail.endswith("."), shown
