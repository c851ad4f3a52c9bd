"""What the formats for training share: one prompt for all rows, and rows as lines of JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from curation.enums import PromptUse
from curation.llm.prompts import Messages, current, fill
from curation.models import Dataset
from scoring.exporters.base import Export, ExportFile, Tally, about
from scoring.exporters.options import USUAL, Only, Options
from scoring.exporters.selection import Item, Part, Selection, parts_of

Row = Mapping[str, Any]
RowOf = Callable[[Messages, Item], Row]


class TrainingExporter(ABC):
    """Lines of JSON, one for each example: what a format adds is the shape of its row."""

    name: str
    title: str
    takes = frozenset({"only", "split"})
    usual = Only.VERIFIED
    judged = False

    @abstractmethod
    def row(self, prompt: Messages, item: Item) -> Row:
        """The example in the shape of this format."""

    def unfit(self, item: Item) -> str:
        """Why an example has no row in this format; "" when it has one."""
        return "" if item.fixed.strip() else NO_FIX

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        tally, only = Tally(), options.only or self.usual
        selection = Selection(dataset, only, tally, judged=self.judged, unfit=self.unfit)
        stem = f"{dataset.slug}-{self.name}"
        files = tuple(
            ExportFile(
                part.file(stem, ".jsonl"),
                "application/jsonl",
                partial(_lines, selection, part, self.row),
            )
            for part in parts_of(dataset, options.split)
        )
        return Export(files, tally, about(self, dataset, options))


NO_FIX = "without a repaired program"


def _lines(selection: Selection, part: Part, row: RowOf) -> Iterator[bytes]:
    # What is trained on is what models are asked.
    prompt = current(PromptUse.STANDARD)
    for item in selection.items(part):
        yield line(row(fill(prompt, {"pytorch_code": item.record.pytorch_code}), item))


def line(row: Row) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode()


def answer(code: str) -> Messages:
    """A program as the prompt asks for it: one code block and nothing else."""
    return [{"role": "assistant", "content": fenced(code)}]


def fenced(code: str) -> str:
    end = "" if code.endswith("\n") else "\n"
    return f"```python\n{code}{end}```"


def as_text(prompt: Messages) -> str:
    """A prompt for models that take plain text."""
    return "\n\n".join(message["content"].strip("\n") for message in prompt) + "\n"


class NothingToPrefer(TrainingExporter):
    """A format that holds the repaired program against the draft."""

    def unfit(self, item: Item) -> str:
        if reason := super().unfit(item):
            return reason
        return SAME if item.fixed == item.record.draft_code else ""


SAME = "whose draft was right as it was: there is nothing to prefer over it"
