"""PyTorch programs with their JAX translation, row by row; the translation becomes a draft."""

from collections.abc import Iterator
from typing import Any

from curation.importers.base import Content
from curation.importers.report import Note
from curation.importers.rows import Row, first_row, rows
from curation.importers.values import LONGEST, Refused, as_text, plain, quote
from curation.records import Record

ID_KEYS = ("example_id", "kb_id", "id", "name", "task_id", "problem_id")
# What else a row says, kept with the example as where it comes from.
_KNOWN = {*ID_KEYS, "pytorch_code", "jax_code", "source", "licence", "license", "title", "model"}
MOST_SAID = 500


class Pairs:
    name = "PyTorch/JAX pairs"

    def recognises(self, content: Content) -> bool:
        return {"pytorch_code", "jax_code"} <= {plain(key) for key in first_row(content)}

    def read(self, content: Content) -> Iterator[Record | Note]:
        for row in rows(content):
            if isinstance(row, Note):
                yield row
                continue
            try:
                yield _record(content, row)
            except Refused as refusal:
                name = shown_id(row)
                yield Note(content.name, str(refusal), name, refusal.field, refused=True)


def _record(content: Content, row: Row) -> Record:
    values = {plain(key): value for key, value in row.values.items()}
    record = Record(
        example_id=id_of(values) or f"{content.stem}-{row.number}",
        pytorch_code=as_text("pytorch_code", values.get("pytorch_code")),
        draft_code=as_text("jax_code", values.get("jax_code")),
        title=as_text("title", values.get("title")),
        source=_source(values),
        licence=as_text("license", values.get("licence") or values.get("license")),
        model=as_text("model", values.get("model")),
    )
    if not record.pytorch_code.strip():
        raise Refused("pytorch_code", "It is missing or empty.")
    check_lengths(record)
    return record


def check_lengths(record: Any) -> None:
    """Raises Refused: a text is longer than its column."""
    for field, longest in LONGEST.items():
        if len(getattr(record, field, "")) > longest:
            raise Refused(field, f"It is longer than {longest} characters.")


def id_of(values: dict[str, Any]) -> str:
    """The first of ID_KEYS that says something. Raises Refused."""
    for key in ID_KEYS:
        text = as_text(key, values.get(key)).strip()
        if text:
            return text
    return ""


def shown_id(row: Row) -> str:
    """What notes call a row."""
    values = {plain(key): value for key, value in row.values.items()}
    given = next((values[key] for key in ID_KEYS if values.get(key)), None)
    return quote(str(given)) if isinstance(given, str | int) else f"number {row.number}"


def _source(values: dict[str, Any]) -> str:
    """The row's own source, and its other short values: where the pair comes from and what was
    claimed about it."""
    said = [as_text("source", values.get("source"))]
    for key, value in values.items():
        if key in _KNOWN or not isinstance(value, str | int | float | bool):
            continue
        text = as_text(key, value if isinstance(value, str) else str(value))
        if text and len(text) <= MOST_SAID:
            said.append(f"{as_text('key', key)}: {text}")
    return "; ".join(part for part in said if part)
