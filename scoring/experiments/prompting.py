"""The finished prompt of a translation: its messages, and the context chosen for it."""

from dataclasses import dataclass, field

from curation.enums import PromptUse
from curation.llm.calls import LlmError, params_of, room_for_answer
from curation.llm.prompts import Messages, current, fill
from curation.llm.tokens import tokens_of, tokens_of_messages
from curation.models import Dataset, Example, LanguageModel, PromptVersion
from curation.records import RECORD_PARTS, record_of
from scoring.experiments.context import Chosen, Fixed, Target, choose, own_lines
from scoring.experiments.policy import Choice, Policy, Source
from scoring.exporters.t2j import to_json


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent for one translation; `chosen` is None where the prompt takes no context."""

    messages: Messages
    chosen: Chosen | None = None


@dataclass(slots=True)
class Prompts:
    """Makes the prompts of one dataset; fixed examples are read from the database once."""

    dataset: Dataset
    context_dataset: Dataset | None = None
    _fixed: dict[int, list[Fixed]] = field(default_factory=dict)

    def prompt(
        self, example: Example, version: PromptVersion, policy: Policy, model: LanguageModel
    ) -> Prompt:
        """
        Raises:
            LlmError: the program alone leaves no room for any fixed example.
        """
        if version.template.use != PromptUse.AUGMENTED:
            return Prompt(fill(version, {"pytorch_code": example.pytorch_code}))
        bare = fill(version, {"pytorch_code": example.pytorch_code, "fixed_bugs": ""})
        room = model.context_window - room_for_answer(params_of(model)) - tokens_of_messages(bare)
        chosen = choose(
            policy,
            self._target(example),
            self._pool(policy),
            same_dataset=policy.source != Source.FILE and self._source == self.dataset,
            room=room,
            tokens_of=tokens_of,
        )
        if not chosen.examples and room < tokens_of(chosen.text):
            raise LlmError(
                f"{example.example_id}: the program leaves no room for fixed examples in the "
                f"window of {model.name} ({model.context_window} tokens)."
            )
        values = {"pytorch_code": example.pytorch_code, "fixed_bugs": chosen.text}
        return Prompt(fill(version, values), chosen)

    @property
    def _source(self) -> Dataset:
        return self.context_dataset or self.dataset

    def _pool(self, policy: Policy) -> list[Fixed]:
        if policy.source == Source.FILE:
            return list(policy.examples)
        if policy.source == Source.NONE:
            return []
        return self.fixed(self._source)

    def _target(self, example: Example) -> Target:
        own = [
            each for each in self.fixed(self.dataset) if each["Example_id"] == example.example_id
        ]
        lines = own_lines(own[0]) if own else frozenset[str]()
        return Target(example.example_id, example.pytorch_code, lines)

    def fixed(self, dataset: Dataset) -> list[Fixed]:
        """The dataset's examples that have fix steps, as the fixed-bug JSON holds them."""
        if dataset.pk not in self._fixed:
            examples = dataset.examples.prefetch_related(*RECORD_PARTS)
            found = [to_json(record_of(example)) for example in examples]
            self._fixed[dataset.pk] = [each for each in found if each["Errors"]]
        return self._fixed[dataset.pk]


def prompt_by_hand(example: Example, use: PromptUse, choice: Choice, keep: int | None) -> Prompt:
    """The prompt for one program with the fixed examples of its dataset, but its own.

    No model is named: it is not narrowed to any window but by what was asked for.
    """
    policy = Policy(Source.LOO, choice, keep=keep) if use == PromptUse.AUGMENTED else Policy()
    anyone = LanguageModel(name="by hand", context_window=10_000_000)
    return Prompts(example.dataset).prompt(example, current(use), policy, anyone)
