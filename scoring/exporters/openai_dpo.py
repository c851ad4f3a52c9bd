"""Preferences as OpenAI takes them: the repaired program over the draft, and no other keys."""

from curation.llm.prompts import Messages
from scoring.exporters.selection import Item
from scoring.exporters.training import NothingToPrefer, Row, answer


class OpenAIDpoExporter(NothingToPrefer):
    name = "openai-dpo"
    title = "OpenAI preferences"

    def row(self, prompt: Messages, item: Item) -> Row:
        return {
            "input": {"messages": prompt, "tools": [], "parallel_tool_calls": True},
            "preferred_output": answer(item.fixed),
            "non_preferred_output": answer(item.record.draft_code),
        }
