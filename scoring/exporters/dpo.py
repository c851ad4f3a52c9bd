"""Preferences as TRL's DPO takes them: the repaired program over the draft."""

from curation.llm.prompts import Messages
from scoring.exporters.selection import Item, about_draft
from scoring.exporters.training import NothingToPrefer, Row, answer


class DpoExporter(NothingToPrefer):
    name = "dpo"
    title = "TRL preferences (DPO)"

    def row(self, prompt: Messages, item: Item) -> Row:
        return {
            "prompt": prompt,
            "chosen": answer(item.fixed),
            "rejected": answer(item.record.draft_code),
        } | about_draft(item)
