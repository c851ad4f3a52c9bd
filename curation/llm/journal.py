"""Answers that were paid for, on disk until the database has them.

One file per answer, named after the claim under which it was asked. Plain Python.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.llm.client import Answer


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer: which call, under which claim."""

    call: int
    claim: str
    answer: Answer


class Journal:
    """A folder of answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, call: int, claim: str, answer: Answer) -> None:
        """Keep an answer; once this returns, it outlives a crash of the machine."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {"call": call, "claim": claim, "raw": answer.raw, "seconds": answer.seconds}
        partial = self._path(claim).with_suffix(".part")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path(claim))

    def read(self, claim: str) -> Entry | None:
        """The answer to a claim, if it came."""
        return self._read(self._path(claim))

    def entries(self) -> Iterator[Entry]:
        """Every answer that is kept."""
        for path in sorted(self.folder.glob("*.json")):
            entry = self._read(path)
            if entry is not None:
                yield entry

    def remove(self, claim: str) -> None:
        self._path(claim).unlink(missing_ok=True)

    def _path(self, claim: str) -> Path:
        return self.folder / f"{claim}.json"

    def _read(self, path: Path) -> Entry | None:
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        answer = Answer(content["raw"], content["seconds"])
        return Entry(content["call"], content["claim"], answer)
