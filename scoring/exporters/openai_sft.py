"""Fine-tuning as OpenAI takes it: nothing but messages, or the whole file is refused."""

from curation.llm.prompts import Messages
from scoring.exporters.selection import Item
from scoring.exporters.training import Row, TrainingExporter, answer


class OpenAISftExporter(TrainingExporter):
    name = "openai-sft"
    title = "OpenAI fine-tuning"

    def row(self, prompt: Messages, item: Item) -> Row:
        return {"messages": prompt + answer(item.fixed)}
