"""Stepwise supervision as TRL takes it: one completion for each revision, and whether it passes."""

from curation.llm.prompts import Messages
from executor.parity.outcome import Outcome
from scoring.exporters.selection import Item, about_draft
from scoring.exporters.training import Row, TrainingExporter, as_text, fenced

UNJUDGED = "with a revision that has no pass or fail under the present contract"


class StepwiseExporter(TrainingExporter):
    name = "stepwise"
    title = "TRL stepwise supervision"
    judged = True

    def unfit(self, item: Item) -> str:
        said = {item.outcomes.get(revision.sha256) for revision in item.revisions}
        return "" if said <= {Outcome.PASS, Outcome.FAIL} else UNJUDGED

    def row(self, prompt: Messages, item: Item) -> Row:
        return {
            "prompt": as_text(prompt),
            "completions": [fenced(revision.code) for revision in item.revisions],
            "labels": [
                item.outcomes[revision.sha256] == Outcome.PASS for revision in item.revisions
            ],
        } | about_draft(item)
