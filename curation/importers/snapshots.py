"""Snapshots are taken in whole, not record by record, and hold what later apps found out.

So the app that writes them reads them, too: it says here how, and whoever is given one calls it.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from django.contrib.auth.models import User

FORMAT = "t2j-snapshot"
_MANIFEST = "manifest.json"
# A manifest of a hundred thousand data files stays below it.
MOST_MANIFEST_BYTES = 64 * 1024 * 1024


class SnapshotRefused(Exception):
    """Why a snapshot was not taken; nothing of it was stored. The text is for a person."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a snapshot; `same` says that the dataset held all of it already."""

    dataset: str
    examples: int
    steps: int
    people: tuple[str, ...] = ()
    same: bool = False
    dry_run: bool = False

    def lines(self) -> list[str]:
        """Sentences for the person who brought it."""
        if self.same:
            return [f"{self.dataset}: the same as the snapshot; nothing was changed."]
        would = "would be " if self.dry_run else ""
        said = [f"{self.dataset}: {self.examples} examples, {self.steps} steps {would}restored."]
        if self.people:
            names = ", ".join(self.people[:10]) + (", …" if len(self.people) > 10 else "")
            said.append(f"People who had no account here got one that cannot sign in: {names}.")
        return said


# Called with the bytes that are in and all there are.
Progress = Callable[[int, int], None]


class Restore(Protocol):
    """How a snapshot is made a dataset; with `uploaded` it is only as good as who brought it."""

    def __call__(
        self,
        file: Path | IO[bytes],
        slug: str,
        by: User | None = None,
        dry_run: bool = False,
        *,
        uploaded: bool = False,
        progress: Progress | None = None,
    ) -> Restored: ...


_ways: list[Restore] = []


def restore_with(way: Restore) -> None:
    """Say how snapshots are read; called once, when the site starts."""
    _ways[:] = [way]


def restore(
    file: Path | IO[bytes],
    slug: str,
    *,
    by: User | None,
    dry_run: bool,
    uploaded: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Make the dataset `slug` what a snapshot holds.

    Raises:
        SnapshotRefused: it is broken, the dataset holds something else already, or it is
            `uploaded` by someone who may not vouch for its names and verdicts.
    """
    return _ways[0](file, slug, by, dry_run, uploaded=uploaded, progress=progress)


def recognises(file: Path | IO[bytes]) -> bool:
    """Whether a file is a snapshot of ours, by its content."""
    try:
        with zipfile.ZipFile(file) as archive:
            return manifest_of(archive).get("format") == FORMAT
    except (OSError, zipfile.BadZipFile, SnapshotRefused):
        return False


def manifest_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    """
    Raises:
        SnapshotRefused: there is none that can be read.
    """
    try:
        with archive.open(_MANIFEST) as member:
            raw = member.read(MOST_MANIFEST_BYTES + 1)
        found = json.loads(raw) if len(raw) <= MOST_MANIFEST_BYTES else None
    except (KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError):
        found = None
    except (zipfile.BadZipFile, EOFError, OSError):
        found = None
    if not isinstance(found, dict):
        raise SnapshotRefused(f"{_MANIFEST} of the snapshot is missing or no JSON object.")
    return found
