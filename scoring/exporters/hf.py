"""A folder that `datasets.load_dataset` reads: Parquet, and a README.md whose YAML describes it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import yaml

from curation.models import Dataset
from scoring.exporters.base import Export, ExportFile, Tally, about, counted
from scoring.exporters.options import USUAL, Only, Options
from scoring.exporters.rows import COLUMNS, STEP_COLUMNS, revision_rows, row_of, step_rows
from scoring.exporters.selection import CHUNK, Item, Part, Selection, parts_of

if TYPE_CHECKING:
    import pyarrow as pa

# Licences under the names that the Hub knows; others are told as “other”.
HUB_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"),
    *("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0"),
    *("isc", "unlicense", "odc-by", "odbl", "bsl-1.0", "artistic-2.0"),
)
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


class HuggingFaceExporter:
    name = "hf"
    title = "Hugging Face dataset"
    takes = frozenset({"only", "split"})
    usual = Only.VERIFIED

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        selection = Selection(dataset, options.only or self.usual, Tally(), judged=True)
        made = about(self, dataset, options)
        parts = parts_of(dataset, options.split)
        card = _Card(selection, made)
        files = [
            ExportFile(
                f"{part.name or 'train'}.parquet",
                "application/vnd.apache.parquet",
                partial(card.parquet, part),
            )
            for part in parts
        ]
        # Last: it tells how many rows the others hold.
        readme = ExportFile("README.md", "text/markdown", partial(card.readme, parts))
        return Export((*files, readme), selection.tally, made)


@dataclass(frozen=True, slots=True)
class _Card:
    selection: Selection
    about: dict[str, Any]
    # Rows and bytes by split, once its file was read.
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def parquet(self, part: Part) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink, schema = _Sink(), _schema()
        rows = 0
        items = self.selection.items(part)
        with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema) as writer:
            while chunk := [_row(item) for item in islice(items, CHUNK)]:
                rows += len(chunk)
                writer.write_table(pa.Table.from_pylist(chunk, schema))
                yield from sink.empty()
        yield from sink.empty()
        self.sizes[part.name or "train"] = (rows, sink.written)

    def readme(self, parts: list[Part]) -> Iterator[bytes]:
        for part in parts:
            if (part.name or "train") not in self.sizes:  # asked for alone
                for _ in self.parquet(part):
                    pass
        head = yaml.safe_dump(self._yaml(), sort_keys=False, allow_unicode=True)
        yield f"---\n{head}---\n\n{self._text()}".encode()

    def _yaml(self) -> dict[str, Any]:
        dataset = self.selection.dataset
        rows = sum(count for count, _ in self.sizes.values())
        size = sum(length for _, length in self.sizes.values())
        splits = [
            {"name": name, "num_bytes": length, "num_examples": count}
            for name, (count, length) in self.sizes.items()
        ]
        files = [{"split": name, "path": f"{name}.parquet"} for name in self.sizes]
        return {
            **_licence(dataset.licence),
            "pretty_name": dataset.title,
            "language": ["en", "code"],
            "task_categories": ["text-generation"],
            "tags": ["code", "pytorch", "jax", "program-repair"],
            "size_categories": [next((name for most, name in SIZES if rows < most), "n>1M")],
            "configs": [{"config_name": "default", "data_files": files}],
            "dataset_info": {
                "features": _features(),
                "splits": splits,
                "download_size": size,
                "dataset_size": size,
            },
        }

    def _text(self) -> str:
        tally, dataset = self.selection.tally, self.selection.dataset
        lines = [f"# {dataset.title}", ""]
        lines += [dataset.description, ""] if dataset.description else []
        lines += [
            "PyTorch programs, their JAX drafts, and the fix steps that mend them.",
            "",
            f"{counted(tally.examples, 'example')}, {counted(tally.steps, 'fix step')}.",
            "",
            "## What is in it",
            "",
            _promise(self.about),
            "",
        ]
        lines += [f"- Left out: {count} {reason}." for reason, count in tally.left_out.items()]
        lines += ["", "## Columns", ""]
        lines += [f"- `{name}`: {text}." for name, text in COLUMNS.items()]
        lines += ["- `steps`: the fix steps in their order, each with"]
        lines += [f"  - `{name}`: {text}." for name, text in STEP_COLUMNS.items()]
        lines += ["- `revisions`: the code after each step, the draft first, and its verdict."]
        if dataset.source:
            lines += ["", "## Source", "", dataset.source]
        return "\n".join(lines) + "\n"


def _promise(made: dict[str, Any]) -> str:
    if made["unverified_included"]:
        return (
            "Everything that the dataset holds, **verified or not** (`only: all`): steps may not "
            "replay, and programs may not do what their reference does."
        )
    if made["only"] == Only.APPROVED:
        return (
            "Drafts that a second person approved (`only: approved`). Every step replays; the last "
            "revision does what its reference does, or `approval_reason` says why it counts."
        )
    return (
        "Verified drafts (`only: verified`). Every step replays, and the last revision does what "
        "its reference does."
    )


def _licence(licence: str) -> dict[str, str]:
    name = licence.strip().lower()
    if not name:
        return {"license": "unknown"}
    if name in HUB_LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": licence.strip()}


class _Sink:
    """A file for pyarrow that keeps what was written until it is emptied."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.written = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def empty(self) -> Iterator[bytes]:
        pieces, self.pieces = self.pieces, []
        yield from pieces


def _row(item: Item) -> dict[str, Any]:
    return row_of(item) | {"steps": step_rows(item), "revisions": revision_rows(item)}


_REVISION_COLUMNS = ("code", "outcome")


def _schema() -> "pa.Schema":
    import pyarrow as pa

    def struct(names: Any) -> Any:
        return pa.struct([pa.field(name, pa.string()) for name in names])

    texts = [pa.field(name, pa.string()) for name in COLUMNS]
    steps = pa.field("steps", pa.list_(struct(STEP_COLUMNS)))
    return pa.schema([*texts, steps, pa.field("revisions", pa.list_(struct(_REVISION_COLUMNS)))])


def _features() -> list[dict[str, Any]]:
    """The columns as the Hub's YAML names them."""

    def texts(names: Any) -> list[dict[str, Any]]:
        return [{"name": name, "dtype": "string"} for name in names]

    return [
        *texts(COLUMNS),
        {"name": "steps", "list": texts(STEP_COLUMNS)},
        {"name": "revisions", "list": texts(_REVISION_COLUMNS)},
    ]
