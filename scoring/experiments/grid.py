"""A grid of settings: every model with every prompt, and every way to narrow the context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.utils.text import slugify

from curation.enums import PromptUse
from curation.llm.prompts import current
from curation.models import LanguageModel
from scoring.experiments.policy import Policy, PolicyRefused, Source
from scoring.experiments.services import SettingPlan

ALL = "all"


@dataclass(frozen=True, slots=True)
class Grid:
    """What is tried: `models` times `uses`, an augmented prompt once for each context.

    `keeps` are numbers of fixed examples, None for all that fit. With `each_alone` the steps of
    every category of `without` are left out on their own, beside the whole context.
    """

    models: Sequence[LanguageModel]
    uses: Sequence[PromptUse]
    context: Policy
    keeps: Sequence[int | None] = (None,)
    without: Sequence[str] = ()
    each_alone: bool = False
    runtime: str = ""
    samples: int = 1

    def settings(self) -> list[SettingPlan]:
        """
        Raises:
            PromptRefused: a prompt is missing.
        """
        return [
            SettingPlan(
                name_of(model, use, suffix),
                model,
                current(use),
                policy,
                self.runtime,
                self.samples,
            )
            for model in self.models
            for use in self.uses
            for suffix, policy in self._contexts(use)
        ]

    def _contexts(self, use: PromptUse) -> Iterator[tuple[str, Policy]]:
        """How each context is told apart in names, and the context."""
        if use == PromptUse.STANDARD:
            yield "", Policy()
            return
        for keep in self.keeps:
            for without in self._left_out():
                parts = [] if len(self.keeps) == 1 else [ALL if keep is None else f"keep-{keep}"]
                if self.each_alone and without:
                    parts.append(f"no-{slugify(without[0])[:24]}")
                suffix = "".join(f"-{part}" for part in parts)
                yield suffix, replace(self.context, keep=keep, without=without)

    def _left_out(self) -> list[tuple[str, ...]]:
        if self.each_alone:
            return [(), *((name,) for name in self.without)]
        return [tuple(self.without)]


def name_of(model: LanguageModel, use: PromptUse, suffix: str = "") -> str:
    """What a setting is called; `suffix` tells contexts apart where there are several."""
    return f"{slugify(model.name)[: 50 - len(suffix)] or model.pk}-{use.value}{suffix}"


def keeps_of(text: str) -> tuple[int | None, ...]:
    """“0, 5, all” as numbers of fixed examples, None for all; empty: all.

    Raises:
        PolicyRefused: it is no such list.
    """
    found: dict[int | None, None] = {}
    for word in text.replace(",", " ").split():
        if word != ALL and not (word.isdecimal() and len(word) <= 6):
            raise PolicyRefused(f"“{word}” is no number of examples: write numbers, or “all”.")
        found[None if word == ALL else int(word)] = None
    return tuple(found) or (None,)


def source_of(*, other_dataset: bool) -> Source:
    """Where fixed examples come from: another dataset is told whole, one's own never is."""
    return Source.ALL if other_dataset else Source.LOO
