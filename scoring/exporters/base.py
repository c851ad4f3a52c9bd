"""What every exporter offers, and how its files reach a folder."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from curation.models import Dataset
from scoring.exporters.options import USUAL, ExportRefused, Only, Options

# Called with the name of a file and the bytes of it that were written since the last call.
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Tally:
    """What an export holds and what it left out, by reason; whole once its files were read."""

    examples: int = 0
    steps: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Sentences for the person who exports."""
        said = [f"{counted(self.examples, 'example')}, {counted(self.steps, 'step')}."]
        if self.splits:
            parts = (f"{split} {count}" for split, count in sorted(self.splits.items()))
            said.append(f"By split: {', '.join(parts)}.")
        if not self.examples and self.left_out:
            said.append("Nothing is in it: everything was left out.")
        said += [f"Left out: {count} {reason}." for reason, count in self.left_out.items()]
        return said + [f"{count} {note}." for note, count in self.notes.items()]

    def to_json(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "steps": self.steps,
            "splits": dict(self.splits),
            "left_out": dict(self.left_out),
            "notes": dict(self.notes),
        }


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file of an export; `read` starts reading it from the beginning, piece by piece."""

    name: str
    media_type: str
    read: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Export:
    """One export of a dataset: its files, main file first, and what came of them.

    Files are read in order: a later one may tell of an earlier one. `about` is what the file that
    `write` adds says of how they were made; without it there is no such file.
    """

    files: tuple[ExportFile, ...]
    tally: Tally
    about: Mapping[str, Any] = field(default_factory=dict)

    def whole(self) -> Iterator[ExportFile]:
        """All files, in order, with the one about them."""
        yield from self.files
        if self.about:
            name = f"{self.about['dataset']}-{self.about['format']}.about.yaml"
            yield ExportFile(name, "application/yaml", self._told)

    def _told(self) -> Iterator[bytes]:
        told = dict(self.about) | self.tally.to_json()
        yield yaml.safe_dump(told, sort_keys=False, allow_unicode=True).encode()


class Exporter(Protocol):
    """One format that people take away.

    `takes` are the options that it can follow, by their names on the command line; `usual` is
    which drafts it holds unless someone says otherwise.
    """

    name: str
    title: str
    takes: frozenset[str]
    usual: Only

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export: ...


def check(exporter: Exporter, options: Options) -> None:
    """
    Raises:
        ExportRefused: the format cannot do what is asked, or two wishes exclude each other.
    """
    for name, value in options.chosen().items():
        if name not in exporter.takes and not (name == "only" and value == exporter.usual):
            raise ExportRefused(f"The format {exporter.name} is not made with --{name}.")
    if options.leave_one_out and options.split:
        raise ExportRefused("--leave-one-out and --split do not go together: choose one.")


def about(exporter: Exporter, dataset: Dataset, options: Options, **more: Any) -> dict[str, Any]:
    """How an export was made: what its metadata says."""
    only = options.only or exporter.usual
    return {
        "dataset": dataset.slug,
        "title": dataset.title,
        "licence": dataset.licence,
        "source": dataset.source,
        "format": exporter.name,
        "only": only.value,
        "unverified_included": only == Only.ALL,
        "split": options.split or "none",
        "leave_one_out": options.leave_one_out,
        **more,
    }


class CannotWrite(Exception):
    """Why an export did not reach its folder; the text is for a person."""


def write(export: Export, folder: Path, progress: Progress | None = None) -> list[Path]:
    """Write every file into `folder`, each whole or not at all.

    Raises:
        CannotWrite: the folder or a file in it cannot be written; older files stay as they were.
    """
    _make(folder)
    written = []
    for file in export.whole():
        path = folder / file.name
        _make(path.parent)
        written.append(_write_file(file, path, progress))
    return written


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be made: {error.strerror}.") from error


def _write_file(file: ExportFile, path: Path, progress: Progress | None) -> Path:
    try:
        handle, name = tempfile.mkstemp(prefix=".export-", dir=path.parent)
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}.") from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in file.read():
                out.write(chunk)
                if progress:
                    progress(file.name, len(chunk))
        # A temporary file is private; an export is for whoever may read the folder.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror}. What stood there before is unchanged."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
