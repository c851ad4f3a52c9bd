"""Everything of a dataset as one zip file: equal datasets give equal bytes.

What stays behind belongs to a server and not to a dataset: who may do what, working copies,
deleted records, runs under way, experiments. Blind repairs stay until all are in, as anywhere.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from curation.importers.snapshots import FORMAT
from curation.importers.source import folder_of
from curation.models import Attachment, Category, Dataset
from scoring.exporters import zips
from scoring.exporters.base import Tally
from scoring.snapshots.fields import (
    DATASET,
    EXAMPLES,
    FILES,
    FORMAT_VERSION,
    MANIFEST,
    OF_CATEGORY,
    OF_DATASET,
    TAXONOMY,
    values_of,
)
from scoring.snapshots.records import records

# Examples with all that belongs to them, read at a time.
CHUNK = 50
BLIND = "blind repairs that are still under way (drafts)"
UNFINISHED = "unfinished runs"


def write_snapshot(dataset: Dataset, tally: Tally) -> Iterator[bytes]:
    """The snapshot's bytes; what it holds and leaves out is counted."""
    return zips.stream(_Writer(dataset, tally, dataset.slug).members())


def snapshot_files(dataset: Dataset, tally: Tally, slug: str) -> dict[str, dict[str, Any]]:
    """Hash and size of every file of the dataset's snapshot, were its slug this one."""
    writer = _Writer(dataset, tally, slug)
    for _, pieces in writer.members():
        for _ in pieces:
            pass
    return writer.files


@dataclass(frozen=True, slots=True)
class _Writer:
    dataset: Dataset
    tally: Tally
    slug: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def members(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield DATASET, self._hashed(DATASET, [as_text(self._dataset())])
        yield TAXONOMY, self._hashed(TAXONOMY, [as_text(self._taxonomy())])
        yield EXAMPLES, self._hashed(EXAMPLES, self._examples())
        for name, content in self._attachments():
            yield name, self._hashed(name, [content])
        # Last: it holds the hashes of all the others.
        yield MANIFEST, [as_text(self._manifest())]

    def _hashed(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece
        self.files[name] = {"sha256": digest.hexdigest(), "bytes": size}

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": self.slug,
            "only": "all",
            "examples": self.tally.examples,
            "steps": self.tally.steps,
            "files": self.files,
        }

    def _dataset(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            **values_of(self.dataset, OF_DATASET),
            "created_by": _name(self.dataset.created_by),
        }

    def _taxonomy(self) -> list[dict[str, Any]]:
        """The categories that its steps have, with all their subcategories."""
        used = Category.objects.filter(steps__draft__example__dataset=self.dataset).distinct()
        return [
            values_of(category, OF_CATEGORY)
            | {"subcategories": [values_of(s, OF_CATEGORY) for s in category.subcategories.all()]}
            for category in used.prefetch_related("subcategories")
        ]

    def _examples(self) -> Iterator[bytes]:
        for found in records(self.dataset, CHUNK):
            for example in found:
                self.tally.examples += 1
                self.tally.steps += example.steps
                self._leave_out(BLIND, len(example.hidden))
                self._leave_out(UNFINISHED, example.unfinished)
            yield b"".join(
                orjson.dumps(example.record, option=orjson.OPT_APPEND_NEWLINE) for example in found
            )
            del found, example  # or they are held while the next ones are read

    def _leave_out(self, what: str, count: int) -> None:
        if count:
            self.tally.left_out[what] += count

    def _attachments(self) -> Iterator[tuple[str, bytes]]:
        found = Attachment.objects.filter(example__dataset=self.dataset).select_related("example")
        ordered = found.order_by("example__position", "example_id", "name")
        for item in ordered.iterator(chunk_size=1):
            yield file_of(item.example.example_id, item.name), bytes(item.content)


def file_of(example_id: str, name: str) -> str:
    """The member of a snapshot that is this data file."""
    return f"{FILES}{folder_of(example_id)}/{name}"


def as_text(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def _name(person: Any) -> str | None:
    return None if person is None else str(person.get_username())
