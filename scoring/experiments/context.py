"""The fixed bugs that a prompt carries: which examples are allowed, and which of them fit.

Examples are as in the fixed-bug JSON. Plain Python.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scoring.experiments.policy import Choice, Policy, Source
from scoring.experiments.similarity import similarities

WRAPPER = "Pytorch_to_JAX_Examples"
Fixed = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """The example that is translated: its program, and its own fixes, which must not be told."""

    example_id: str
    code: str
    own_lines: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a prompt carries: the JSON, its examples, and why the others are not there."""

    text: str
    examples: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        """What is stored of the choice; the text itself stands in the call."""
        return {
            "examples": list(self.examples),
            "left_out": self.left_out,
            "tokens": self.tokens,
            "sha256": hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest(),
        }


def choose(
    policy: Policy,
    target: Target,
    pool: Sequence[Fixed],
    *,
    same_dataset: bool,
    room: int,
    tokens_of: Callable[[str], int],
) -> Chosen:
    """The context for one translation out of the fixed examples in `pool`.

    `room` is how many tokens the model's window leaves; the policy's own budget may be smaller.
    """
    left_out: dict[str, str] = {}
    allowed = []
    for example in pool:
        reason = _why_not(policy, target, example, same_dataset=same_dataset)
        narrowed = without_categories(example, policy.without)
        if not reason and not narrowed["Errors"]:
            reason = "no step is left without the categories that were taken out"
        if reason:
            left_out[example["Example_id"]] = reason
        else:
            allowed.append(narrowed)
    budget = room if policy.budget is None else min(room, policy.budget)
    kept = _fitting(policy, target, allowed, budget=budget, tokens_of=tokens_of, left_out=left_out)
    text = text_of(kept)
    names = tuple(example["Example_id"] for example in kept)
    return Chosen(text, names, left_out, tokens_of(text))


def text_of(examples: Iterable[Fixed]) -> str:
    """The examples as the fixed-bug JSON."""
    return json.dumps({WRAPPER: list(examples)}, indent=2, ensure_ascii=False)


def own_lines(example: Fixed) -> frozenset[str]:
    """Lines of the example's own fixes that its program does not hold anyway."""
    found: set[str] = set()
    for step in example["Errors"]:
        found |= _lines(step["Fixed_Code"]) | _lines(step["Fix_info"])
    return frozenset(found - _lines(example["Input_Code"]))


def all_lines(example: Fixed) -> set[str]:
    """Every line that an example brings into a prompt."""
    found = _lines(example["Input_Code"]) | _lines(example["LLM_weak_output"])
    found |= _lines(example["LLM_fix_output"])
    for step in example["Errors"]:
        for value in step.values():
            found |= _lines(value)
    return found


def without_categories(example: Fixed, without: Sequence[str]) -> Fixed:
    """The example without its steps of some categories.

    The repaired program would show them, so that it goes, too.
    """
    banned = {name.lower() for name in without}
    kept = [step for step in example["Errors"] if step.get("Category", "").lower() not in banned]
    if len(kept) == len(example["Errors"]):
        return example
    return example | {"Errors": kept, "LLM_fix_output": ""}


def _why_not(policy: Policy, target: Target, example: Fixed, *, same_dataset: bool) -> str:
    """Why an example may not be told when `target` is translated; empty: it may."""
    told_all = policy.source == Source.ALL and same_dataset
    if told_all:
        return ""
    if same_dataset and example["Example_id"] == target.example_id:
        return "it is the one that is translated"
    if _squeezed(example["Input_Code"]) == _squeezed(target.code):
        return "it is the same program"
    if policy.strict:
        shared = sorted(target.own_lines & all_lines(example))
        if shared:
            return f"it shares a line with the fixes: {shared[0][:80]}"
    return ""


def _fitting(
    policy: Policy,
    target: Target,
    allowed: list[Fixed],
    *,
    budget: int,
    tokens_of: Callable[[str], int],
    left_out: dict[str, str],
) -> list[Fixed]:
    """The first of the ranked examples that fit, in the order of the dataset.

    What does not is said in `left_out`.
    """
    most = len(allowed) if policy.keep is None else policy.keep
    if len(allowed) <= most and tokens_of(text_of(allowed)) <= budget:
        return allowed
    sizes = [tokens_of(text_of([example])) for example in allowed]
    kept: list[int] = []
    used = 0
    for index in _ranked(policy.choice, target, allowed):
        if len(kept) < most and used + sizes[index] <= budget:
            kept.append(index)
            used += sizes[index]
        else:
            full = len(kept) >= most
            left_out[allowed[index]["Example_id"]] = (
                f"{most} were chosen before it" if full else "it does not fit into the budget"
            )
    return [allowed[index] for index in sorted(kept)]


def _ranked(choice: Choice, target: Target, allowed: list[Fixed]) -> list[int]:
    """Places of the examples, the most wanted first; ties go by Example_id."""
    near = similarities(target.code, [example["Input_Code"] for example in allowed])

    def by_nearness(index: int) -> tuple[float, str]:
        return -near[index], allowed[index]["Example_id"]

    order = sorted(range(len(allowed)), key=by_nearness)
    return order if choice == Choice.NEAREST else _covering(order, allowed)


def _covering(order: list[int], allowed: list[Fixed]) -> list[int]:
    """Greedy cover: each next example brings the most kinds of bugs not seen yet; then nearest."""
    kinds = [{_kind(step) for step in example["Errors"]} for example in allowed]
    rest, seen, ranked = list(order), set[tuple[str, str]](), []
    while rest:
        # `max` takes the first of equals: the nearest.
        best = max(rest, key=lambda index: len(kinds[index] - seen))
        ranked.append(best)
        rest.remove(best)
        seen |= kinds[best]
    return ranked


def _kind(step: dict[str, str]) -> tuple[str, str]:
    return step.get("Category", ""), step.get("Subcategory", "")


def _lines(text: str) -> set[str]:
    """Lines that say something: with a letter in them, indentation and spacing aside."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return {line for line in lines if re.search(r"[A-Za-z]", line)}


def _squeezed(code: str) -> str:
    return "".join(code.split())
