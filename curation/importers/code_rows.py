"""Dumps of source files, one a row, as GitHub collections have them: the PyTorch among them.

Files that import torch are kept, under licences that allow to pass them on, each content once:
equal text, and text that is nearly equal, counts once. A sample is drawn by a seed and does not
depend on the order of the rows.
"""

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from curation.importers.base import Content, Options
from curation.importers.report import Note
from curation.importers.rows import Row, first_row, is_parquet, rows
from curation.importers.values import LONGEST, Refused, as_text, plain
from curation.near import NearDuplicates
from curation.records import Record

CONTENT = ("content", "code", "text")
REPOSITORY = ("repo_name", "repo", "repository_name", "max_stars_repo_name", "repository")
PATH = ("path", "file_path", "max_stars_repo_path", "func_path", "filename")
LICENCE = ("license", "licence", "licenses", "max_stars_repo_licenses", "detected_licenses")
# Licences (SPDX, lower case) under which a program may be passed on with a note of its origin.
OPEN = {
    *("mit", "mit-0", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "0bsd"),
    *("isc", "cc0-1.0", "unlicense", "zlib", "bsl-1.0", "psf-2.0", "python-2.0", "ncsa"),
}
_TORCH = re.compile(r"^[ \t]*(?:from[ \t]+torch\b|import[ \t]+(?:[\w., \t]*[ ,\t])?torch\b)", re.M)
# Kept rows whose likeness is remembered; more do not fit into a worker's memory.
MOST_KEPT = 200_000
# Candidates of a sample, of which some fall out as near duplicates.
_SPARE = 4
MOST_SAMPLE = 10_000


@dataclass(slots=True)
class _Left:
    """How many rows were left out, by reason."""

    counts: Counter[str] = field(default_factory=Counter)

    def notes(self, file: str) -> Iterator[Note]:
        for reason, count in self.counts.items():
            rows_ = "row" if count == 1 else "rows"
            yield Note(file, f"{count} {rows_} left out: {reason}.", left_out=count)


class CodeRows:
    name = "rows of code"

    def recognises(self, content: Content) -> bool:
        keys = {plain(key) for key in first_row(content)}
        # A row without anything but a text is no row of code.
        told = {*REPOSITORY, *PATH, *LICENCE}
        return is_parquet(content) or bool(keys & {*CONTENT} and keys & told)

    def read(self, content: Content) -> Iterator[Record | Note]:
        left = _Left()
        found = _candidates(content, left)
        if content.options.sample is None:
            yield from _without_near(content, found, left)
        else:
            yield from _sample(content, found, left)
        yield from left.notes(content.name)


def _candidates(content: Content, left: _Left) -> Iterator[tuple[Record, str] | Note]:
    """Rows that import torch under a fitting licence, with the hash of their text."""
    for row in rows(content):
        if isinstance(row, Note):
            yield row
            continue
        try:
            record = _record(content, row)
        except Refused as refusal:
            name = f"number {row.number}"
            yield Note(content.name, str(refusal), name, refusal.field, refused=True)
            continue
        if not _TORCH.search(record.pytorch_code):
            left.counts["they do not import torch"] += 1
        elif reason := _not_open(record.licence, content.options):
            left.counts[reason] += 1
        else:
            lines = "\n".join(line.rstrip() for line in record.pytorch_code.splitlines())
            yield record, hashlib.sha256(lines.strip().encode()).hexdigest()


def _without_near(
    content: Content, found: Iterator[tuple[Record, str] | Note], left: _Left
) -> Iterator[Record | Note]:
    seen: set[bytes] = set()
    near = NearDuplicates()
    for item in found:
        if isinstance(item, Note):
            yield item
            continue
        record, digest = item
        key = bytes.fromhex(digest)[:16]
        if key in seen:
            left.counts["the same text stands in an earlier row"] += 1
        elif len(seen) >= MOST_KEPT:
            left.counts[f"only {MOST_KEPT} rows are taken at a time; draw a sample"] += 1
        else:
            seen.add(key)
            if near.add(record.pytorch_code):
                yield record
            else:
                left.counts["nearly the same text stands in an earlier row"] += 1


def _sample(
    content: Content, found: Iterator[tuple[Record, str] | Note], left: _Left
) -> Iterator[Record | Note]:
    """The rows with the smallest keys, which the seed and the text alone decide."""
    wanted = min(content.options.sample or 0, MOST_SAMPLE)
    kept: list[tuple[int, str, Record]] = []
    held: set[str] = set()
    for item in found:
        if isinstance(item, Note):
            yield item
            continue
        record, digest = item
        if digest in held:
            left.counts["the same text stands in an earlier row"] += 1
            continue
        key = hashlib.sha256(f"{content.options.seed}:{digest}".encode()).digest()
        rank = -int.from_bytes(key[:8], "big")
        heapq.heappush(kept, (rank, digest, record))
        held.add(digest)
        if len(kept) > wanted * _SPARE:
            held.discard(heapq.heappop(kept)[1])
            left.counts["not drawn"] += 1
    near = NearDuplicates()
    taken = 0
    for _, _, record in sorted(kept, key=lambda item: (-item[0], item[1])):
        if taken == wanted:
            left.counts["not drawn"] += 1
        elif near.add(record.pytorch_code):
            taken += 1
            yield record
        else:
            left.counts["nearly the same text is in the sample"] += 1


def _record(content: Content, row: Row) -> Record:
    values = {plain(key): value for key, value in row.values.items()}
    code = as_text("content", _first(values, CONTENT))
    repository = as_text("repo_name", _first(values, REPOSITORY)).strip()
    path = as_text("path", _first(values, PATH)).strip()
    if not code.strip():
        raise Refused("content", "It is missing or empty.")
    where = "/".join(part for part in (repository, path) if part)
    return Record(
        example_id=_id(where) or f"{content.stem}-{row.number}",
        pytorch_code=code,
        source=where,
        licence=_licence(values),
    )


def _id(where: str) -> str:
    """Where a file stands is its name; what is too long keeps its end and a hash."""
    longest = LONGEST["example_id"]
    if len(where) <= longest:
        return where
    digest = hashlib.sha256(where.encode()).hexdigest()[:12]
    return f"{digest}…{where[-(longest - 13) :]}"


def _first(values: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _licence(values: dict[str, Any]) -> str:
    """As the row says it; several are joined by OR, the way SPDX does."""
    said = _first(values, LICENCE)
    parts = said if isinstance(said, list) else [said]
    text = " OR ".join(as_text("license", part).strip() for part in parts if part)
    if len(text) > LONGEST["licence"]:
        raise Refused("license", f"It is longer than {LONGEST['licence']} characters.")
    return text


def _not_open(licence: str, options: Options) -> str:
    """Why a row's licence keeps it out; "" when it does not. All of several must fit."""
    if options.any_licence:
        return ""
    if not licence:
        return "without a licence"
    parts = [part.strip().lower() for part in licence.split(" OR ")]
    return "" if all(part in OPEN for part in parts) else "under a licence not known as permissive"
