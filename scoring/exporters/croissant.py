"""Croissant 1.0 metadata beside the lines of JSON that they describe, with each file's hash."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from curation.models import Dataset
from scoring.exporters.base import Export, ExportFile, Tally, about
from scoring.exporters.options import USUAL, Only, Options
from scoring.exporters.rows import COLUMNS, STEP_COLUMNS, row_of, step_rows
from scoring.exporters.selection import Item, Selection
from scoring.exporters.training import line

JSONL = "application/jsonlines"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


class CroissantExporter:
    name = "croissant"
    title = "Croissant metadata with JSON lines"
    takes = frozenset({"only"})
    usual = Only.VERIFIED

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        selection = Selection(dataset, options.only or self.usual, Tally())
        made = about(self, dataset, options)
        made |= {"date": dataset.created_at.date().isoformat()}
        card = _Card(selection, made)
        examples = ExportFile(
            f"{dataset.slug}-examples.jsonl", JSONL, partial(card.read, "examples", _example_lines)
        )
        steps = ExportFile(
            f"{dataset.slug}-steps.jsonl", JSONL, partial(card.read, "steps", _step_lines)
        )
        # Last: it holds the hashes of the others.
        metadata = ExportFile("croissant.json", "application/ld+json", card.metadata)
        return Export((examples, steps, metadata), selection.tally, made)


def _example_lines(selection: Selection) -> Iterator[bytes]:
    return (line(row_of(item)) for item in selection.items())


def _step_lines(selection: Selection) -> Iterator[bytes]:
    for item, _ in selection.judgements():
        if item is not None:
            yield from map(line, _numbered(item))


def _numbered(item: Item) -> Iterator[dict[str, Any]]:
    for number, step in enumerate(step_rows(item), start=1):
        yield {"example_id": item.record.example_id, "order": number} | step


_LINES = {"examples": _example_lines, "steps": _step_lines}


@dataclass(frozen=True, slots=True)
class _Card:
    selection: Selection
    about: Mapping[str, Any]
    hashes: dict[str, str] = field(default_factory=dict)

    def read(self, name: str, lines: Any) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for each in lines(self.selection):
            digest.update(each)
            yield each
        self.hashes[name] = digest.hexdigest()

    def metadata(self) -> Iterator[bytes]:
        for name, lines in _LINES.items():
            if name not in self.hashes:  # asked for alone
                for _ in self.read(name, lines):
                    pass
        yield (json.dumps(self._metadata(), indent=2, ensure_ascii=False) + "\n").encode()

    def _metadata(self) -> dict[str, Any]:
        dataset = self.selection.dataset
        found = {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": dataset.slug,
            "alternateName": dataset.title,
            "description": self._description(),
            "license": dataset.licence or "unknown",
            "datePublished": self.about["date"],
            "distribution": [self._file(name) for name in _LINES],
            "recordSet": [
                _records("examples", COLUMNS, key="example_id"),
                _records("steps", {"example_id": COLUMNS["example_id"]} | STEP_COLUMNS),
            ],
        }
        order = _field("steps", "order", "Place of the step; 1 is the first", "sc:Integer")
        found["recordSet"][1]["field"].insert(1, order)
        return found

    def _description(self) -> str:
        dataset, tally = self.selection.dataset, self.selection.tally
        only = self.about["only"]
        kept = "verified or not" if self.about["unverified_included"] else "only what was verified"
        parts = [
            dataset.description
            or "PyTorch programs, their JAX drafts, and the fix steps that mend them.",
            f"Drafts: {only} ({kept}). {' '.join(tally.lines())}",
        ]
        return "\n\n".join(parts)

    def _file(self, name: str) -> dict[str, Any]:
        file = f"{self.selection.dataset.slug}-{name}.jsonl"
        return {
            "@type": "cr:FileObject",
            "@id": f"{name}.jsonl",
            "name": file,
            "contentUrl": file,
            "encodingFormat": JSONL,
            "sha256": self.hashes[name],
        }


def _records(name: str, columns: Mapping[str, str], key: str = "") -> dict[str, Any]:
    fields = [_field(name, column, text, "sc:Text") for column, text in columns.items()]
    found: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    return found | ({"key": {"@id": f"{name}/{key}"}} if key else {}) | {"field": fields}


def _field(records: str, name: str, text: str, data_type: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "description": text,
        "dataType": data_type,
        "source": {
            "fileObject": {"@id": f"{records}.jsonl"},
            "extract": {"column": name},
        },
    }
