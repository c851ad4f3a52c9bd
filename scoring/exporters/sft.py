"""Supervised fine-tuning as TRL takes it: conversations whose last message is the repair."""

from curation.llm.prompts import Messages
from scoring.exporters.selection import Item, about_draft
from scoring.exporters.training import Row, TrainingExporter, answer


class SftExporter(TrainingExporter):
    name = "sft"
    title = "TRL supervised fine-tuning"

    def row(self, prompt: Messages, item: Item) -> Row:
        return {"messages": prompt + answer(item.fixed)} | about_draft(item)
