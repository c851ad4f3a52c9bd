"""CodeBLEU (Ren et al. 2020): n-grams, weighted n-grams, syntax and data flow of two programs.

The components are those that its authors released and that published values were made with (the
`codebleu` package). Three things differ, because they make a score wrong: a data-flow match of 0
counts as 0 and not as 1; a reference without data flow has no such component, which is said; and
the same pair has the same score in every process. `strict` holds the components as they are
printed in the paper instead: see `Components.strict`.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from itertools import groupby
from typing import Any

from scoring.metrics.base import Case, Measure, Read, Value
from scoring.metrics.code.comments import without_comments
from scoring.metrics.code.dataflow import Flow, TooComplex, data_flow
from scoring.metrics.code.tree import parse, subtrees
from scoring.metrics.ngrams import Grams, bleu, grams_of, weighted_precision, weighted_recall
from scoring.metrics.parallel import over_processes

NO_DATA_FLOW = "no data flow in the reference"
PARTS = ("ngram", "weighted_ngram", "syntax", "dataflow")
WEIGHTS = (0.25, 0.25, 0.25, 0.25)


@dataclass(frozen=True, slots=True)
class Components:
    """The four components, each from 0 to 1. `dataflow` is None when `note` says why."""

    ngram: float
    weighted_ngram: float
    syntax: float
    dataflow: float | None
    note: str = ""

    @property
    def total(self) -> float:
        """CodeBLEU: the mean of the four; of the first three where there is no data flow."""
        values = [getattr(self, part) for part in PARTS]
        pairs = [(w, v) for w, v in zip(WEIGHTS, values, strict=True) if v is not None]
        total: float = sum(w * v for w, v in pairs) / sum(w for w, _ in pairs)
        return total

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"codebleu": self.total}


@dataclass(frozen=True, slots=True)
class Profile:
    """What one program is compared by."""

    grams: list[Grams]
    subtrees: Counter[bytes]
    flows: Counter[Flow]
    too_complex: str = ""


@lru_cache(maxsize=256)
def profile(code: str) -> Profile:
    """Read a program once; broken and empty ones too."""
    code = code.strip()
    root, depth = parse(without_comments(code))
    flows: Counter[Flow] = Counter()
    reason = ""
    try:
        flows = data_flow(root, depth)
    except TooComplex as error:
        reason = str(error)
    return Profile(grams_of(code.split()), subtrees(root), flows, reason)


def codebleu(reference: str, candidate: str, *, strict: bool = False) -> Components:
    """Compare `candidate` with `reference`.

    With `strict` the formulas of the paper as printed: weighted n-grams are a precision with the
    brevity penalty, and a subtree of the reference is matched once only.
    """
    ours, theirs = profile(reference), profile(candidate)
    weighted = weighted_precision if strict else weighted_recall
    flow, note = _flow_match(ours, theirs)
    return Components(
        bleu(ours.grams, theirs.grams),
        weighted(ours.grams, theirs.grams),
        _syntax_match(ours.subtrees, theirs.subtrees, clipped=strict),
        flow,
        note,
    )


def codebleu_batch(
    pairs: Sequence[tuple[str, str]], *, strict: bool = False, processes: int | None = None
) -> list[Components]:
    """Compare many (reference, candidate) pairs, on all cores; results in the order of `pairs`.

    Each distinct reference is read once.
    """
    order = sorted(range(len(pairs)), key=lambda at: pairs[at])
    tasks = [
        (reference, [pairs[at][1] for at in ats], strict)
        for reference, ats in _by_reference(order, pairs)
    ]
    found = over_processes(_compare_all, tasks, processes=processes, small=len(pairs) < 64)
    results: list[Components | None] = [None] * len(pairs)
    flat = (components for each in found for components in each)
    for at, components in zip(order, flat, strict=True):
        results[at] = components
    return [each for each in results if each is not None]


def _by_reference(
    order: Sequence[int], pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, list[int]]]:
    grouped = groupby(order, key=lambda at: pairs[at][0])
    return [(reference, list(ats)) for reference, ats in grouped]


def _compare_all(task: tuple[str, list[str], bool]) -> list[Components]:
    reference, candidates, strict = task
    return [codebleu(reference, candidate, strict=strict) for candidate in candidates]


def _syntax_match(reference: Counter[bytes], candidate: Counter[bytes], *, clipped: bool) -> float:
    """The share of the reference's subtrees that the candidate has."""
    if clipped:
        shared = (reference & candidate).total()
    else:
        shared = sum(count for shape, count in reference.items() if shape in candidate)
    return shared / reference.total()


def _flow_match(reference: Profile, candidate: Profile) -> tuple[float | None, str]:
    """The share of the reference's data flow that the candidate has, or why it is not known."""
    for side, read in (("reference", reference), ("candidate", candidate)):
        if read.too_complex:
            return None, f"no data flow of the {side}: {read.too_complex}"
    total = reference.flows.total()
    if not total:
        return None, NO_DATA_FLOW
    return (reference.flows & candidate.flows).total() / total, ""


class CodeBLEU:
    """The metric: the total and its four components, each from 0 to 1."""

    version = 1
    from_verdicts = False

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.name = "codebleu_strict" if strict else "codebleu"
        self.title = "CodeBLEU as printed" if strict else "CodeBLEU"
        parts = ("n-grams", "weighted n-grams", "syntax", "data flow")
        self.measures = (
            Measure(self.name, self.title),
            *(
                Measure(f"{self.name}_{part}", f"{self.title}: {title}")
                for part, title in zip(PARTS, parts, strict=True)
            ),
        )

    def settings(self) -> dict[str, Any]:
        """The tokenizer is Python's own and the trees are the grammar's: both leave their mark."""
        return {
            "weights": list(WEIGHTS),
            "strict": self.strict,
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "tree_sitter": version("tree-sitter"),
            "grammar": version("tree-sitter-python"),
        }

    def reads(self, case: Case) -> Read:
        if case.code is None:
            return None
        return [case.reference, case.code]

    def score(self, cases: Sequence[Case]) -> list[list[Value]]:
        known = [case for case in cases if case.code and case.reference]
        pairs = [(case.reference, case.code or "") for case in known]
        found = dict(
            zip((case.id for case in known), codebleu_batch(pairs, strict=self.strict), strict=True)
        )
        return [self._values(case, found.get(case.id)) for case in cases]

    def _values(self, case: Case, found: Components | None) -> list[Value]:
        if found is None:
            why = "no code in the answer" if case.reference else "the example has no reference"
            return [Value(case.id, each.name, None, why) for each in self.measures]
        total = Value(case.id, self.name, found.total, found.note)
        parts = (
            Value(case.id, f"{self.name}_{part}", value, "" if value is not None else found.note)
            for part in PARTS
            for value in (getattr(found, part),)
        )
        return [total, *parts]
