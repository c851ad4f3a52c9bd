"""A verdict as a page shows it: the ladder, the first difference, both sides' printed text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from curation.difference import lines_of
from curation.models import Category
from executor.models import Run, Verdict
from executor.parity.outcome import Kind, Outcome, Stage

# More printed lines than this are counted, not shown.
MOST_LINES = 400

_WHERE = {
    Stage.PARSE: "reading the code",
    Stage.IMPORT: "importing the code",
    Stage.RUN: "running the code",
    Stage.SPEC: "comparing the interface",
    Stage.NUMERIC: "comparing values",
    Stage.BEHAVIORAL: "comparing a short training",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage: `state` is held, broken, unsure, skipped (a pass that had nothing to
    compare there) or open (not reached)."""

    stage: str
    state: str
    word: str


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """One line that each side printed; `differs` when they are not the same text."""

    reference: str
    candidate: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything that the verdict panel shows of a finished run."""

    outcome: str
    title: str
    where: str
    ladder: list[Rung]
    message: str
    difference: dict[str, Any] | None
    error_line: int | None
    error_source: str
    traceback: str
    printed: list[PrintedLine]
    printed_more: int
    probes: list[dict[str, Any]]
    mapping_columns: list[str]
    mapping: list[list[Any]]
    strength: float | None
    impostors: dict[str, Any] | None
    constants: dict[str, Any]
    runtime: str
    runtimes: list[str]
    seconds: float
    notes: list[str]
    isolation: str


def panel(verdict: Verdict) -> Panel:
    report = verdict.report
    printed = printed_lines(report.get("stdout") or {})
    mapping = report.get("parameter_mapping") or []
    columns = list(dict.fromkeys(key for entry in mapping for key in entry))
    return Panel(
        outcome=verdict.outcome,
        title=title(verdict),
        where=_WHERE[Stage(verdict.stage)] if verdict.stage else "",
        ladder=ladder(verdict),
        message=verdict.message,
        difference=first_difference(report),
        error_line=report.get("error_line"),
        error_source=_line(verdict.run.code, report.get("error_line")),
        traceback=report.get("traceback") or "",
        printed=printed[:MOST_LINES],
        printed_more=max(0, len(printed) - MOST_LINES),
        probes=report.get("probes") or [],
        mapping_columns=columns,
        mapping=[[entry.get(column) for column in columns] for entry in mapping],
        strength=verdict.strength,
        impostors=report.get("impostors"),
        constants=report.get("constants") or {},
        runtime=str((report.get("runtime") or {}).get("name", verdict.run.runtime)),
        runtimes=runtimes(report.get("runtime") or {}),
        seconds=verdict.seconds,
        notes=list(report.get("notes") or []),
        isolation=verdict.isolation,
    )


def _line(code: str, number: int | None) -> str:
    """The text of a line counted from 1; empty when there is none such."""
    lines = lines_of(code)
    return lines[number - 1].strip() if number and number <= len(lines) else ""


def runtimes(runtime: dict[str, Any]) -> list[str]:
    """Versions, one line per side ("candidate: jax 0.10.2, ...")."""
    sides = {side: versions for side, versions in runtime.items() if isinstance(versions, dict)}
    return [
        f"{side}: " + ", ".join(f"{name} {version}" for name, version in versions.items())
        for side, versions in sides.items()
    ]


def title(verdict: Verdict) -> str:
    """The outcome in a few words."""
    if verdict.outcome == Outcome.PASS:
        return "Pass: it does what the reference does"
    if verdict.outcome == Outcome.FAIL:
        exception = verdict.report.get("exception_type")
        kind = verdict.kind.replace("_", " ")
        return f"Fail: {exception or kind}"
    return f"Undecided: {verdict.reason.replace('_', ' ')}"


def ladder(verdict: Verdict) -> list[Rung]:
    """The six rungs. A pass holds those that something was compared on."""
    stages = list(Stage)
    tiers = {probe.get("tier") for probe in verdict.report.get("probes") or []}
    at = stages.index(Stage(verdict.stage)) if verdict.stage else None
    rungs = []
    for index, stage in enumerate(stages):
        if verdict.outcome == Outcome.PASS:
            held = index <= stages.index(Stage.RUN) or stage in tiers or stage == verdict.stage
            state = "held" if held else "skipped"
        elif at is None or index > at:
            state = "open"
        elif index < at:
            state = "held"
        else:
            state = "broken" if verdict.outcome == Outcome.FAIL else "unsure"
        rungs.append(Rung(stage.value, state, _STATE_WORDS[state]))
    return rungs


_STATE_WORDS = {
    "held": "held",
    "broken": "broke here",
    "unsure": "undecided here",
    "skipped": "nothing to compare",
    "open": "not reached",
}


def first_difference(report: dict[str, Any]) -> dict[str, Any] | None:
    """Of the first failed probe that has one; of any probe otherwise."""
    probes = sorted(report.get("probes") or [], key=lambda probe: probe.get("outcome") == "pass")
    return next((p["first_difference"] for p in probes if p.get("first_difference")), None)


def printed_lines(stdout: dict[str, str]) -> list[PrintedLine]:
    """Both sides' printed text, line by line."""
    reference, candidate = stdout.get("reference") or "", stdout.get("candidate") or ""
    pairs = zip_longest(reference.splitlines(), candidate.splitlines())
    return [PrintedLine(a or "", b or "", a != b) for a, b in pairs]


def error_text(run: Run | None) -> tuple[str, str]:
    """Error and traceback for a step that mends what `run` showed; empty when it failed nothing."""
    verdict = finished_verdict(run)
    if verdict is None or verdict.outcome == Outcome.PASS:
        return "", ""
    traceback = str(verdict.report.get("traceback") or "")
    lines = [line for line in traceback.splitlines() if line.strip()]
    exception = verdict.report.get("exception_type")
    if exception and lines:
        named = [line.strip() for line in lines if line.strip().startswith(str(exception))]
        return (named[-1] if named else lines[-1].strip()), traceback
    return verdict.message, traceback


def finished_verdict(run: Run | None) -> Verdict | None:
    """The verdict of a run that has one."""
    return getattr(run, "verdict", None) if run is not None else None


# Which category of the taxonomy a kind of failure most often is; a person confirms it.
_BY_EXCEPTION = {
    "AttributeError": ("api", "hallucinated-name"),
    "ModuleNotFoundError": ("program", ""),
    "ImportError": ("program", ""),
    "NameError": ("program", ""),
    "UnboundLocalError": ("program", ""),
    "TracerBoolConversionError": ("state", ""),
    "TracerIntegerConversionError": ("state", ""),
    "ConcretizationTypeError": ("state", ""),
    "UnexpectedTracerError": ("state", ""),
    "InvalidRngError": ("randomness", ""),
    "ScopeParamShapeError": ("layout", ""),
    "TypeError": ("api", "wrong-argument"),
}
_BY_KIND = {
    Kind.SYNTAX_ERROR: ("program", ""),
    Kind.IMPORT_ERROR: ("program", ""),
    Kind.RUNTIME_ERROR: ("api", ""),
    Kind.MISSING_OUTPUT: ("program", ""),
    Kind.PARAMETER_TREE_MISMATCH: ("layout", ""),
    Kind.SHAPE_MISMATCH: ("layout", ""),
    Kind.DTYPE_MISMATCH: ("numerics", "precision"),
    Kind.NON_FINITE: ("numerics", ""),
    Kind.VALUE_MISMATCH: ("numerics", ""),
    Kind.GRADIENT_MISMATCH: ("training", ""),
    Kind.LOSS_CURVE_MISMATCH: ("training", ""),
    Kind.TEXT_MISMATCH: ("numerics", ""),
}
_IN_MESSAGE = (
    ("JAX arrays are immutable", ("state", "")),
    ("unexpected keyword argument", ("api", "wrong-argument")),
    ("required positional argument", ("api", "wrong-argument")),
    ("incompatible shapes", ("layout", "")),
)


_WORD = re.compile(r"\w+")
LEFTOVER = ("api", "pytorch-leftover")
# Words that say what kind of thing a change is about, when they are on one side of it only.
_BY_WORDS: tuple[tuple[str, tuple[str, str]], ...] = (
    ("backward cuda cpu detach item no_grad permute torch unsqueeze view zero_grad", LEFTOVER),
    ("mean sum", ("numerics", "reduction")),
    ("correction ddof std unbiased var", ("numerics", "estimator")),
    ("axes axis dim keepdim keepdims", ("numerics", "axis")),
    ("astype bfloat16 dtype float16 float32 float64", ("numerics", "precision")),
    ("PRNGKey fold_in key keys rng rngs seed split", ("randomness", "")),
    ("T expand_dims flatten moveaxis reshape squeeze swapaxes transpose", ("layout", "")),
    ("at cond fori_loop jit scan static_argnames static_argnums while_loop", ("state", "")),
    ("apply_updates grad learning_rate lr opt_state optax value_and_grad", ("training", "")),
)


def hint_of(before: str, after: str) -> tuple[str, str]:
    """Category and subcategory that the words of a change point to; empty when none does."""
    old, new = set(_WORD.findall(before)), set(_WORD.findall(after))
    for words, hint in _BY_WORDS:
        if set(words.split()) & (old - new if hint == LEFTOVER else old ^ new):
            return hint
    return "", ""


def suggest(
    run: Run | None, categories: Sequence[Category], *, before: str = "", after: str = ""
) -> tuple[int | None, int | None]:
    """Ids of the category and subcategory that a failed run and the changed lines point to.

    An exception that names its cause decides; a mere difference of values is told apart by what
    was changed.
    """
    by_words = hint_of(before, after)
    by_cause, by_kind = _hints_of(run)
    slug, sub = next((hint for hint in (by_cause, by_words, by_kind) if hint[0]), ("", ""))
    if not sub and by_words[0] == slug:
        sub = by_words[1]
    category = next((each for each in categories if each.slug == slug), None)
    if category is None:
        return None, None
    subs = category.subcategories.all()
    return category.pk, next((each.pk for each in subs if each.slug == sub), None)


def _hints_of(run: Run | None) -> tuple[tuple[str, str], tuple[str, str]]:
    """What the exception of a failed run points to, and what its kind of failure does."""
    verdict = finished_verdict(run)
    if verdict is None or verdict.outcome != Outcome.FAIL:
        return ("", ""), ("", "")
    said = f"{verdict.message}\n{verdict.report.get('traceback') or ''}"
    exception = _BY_EXCEPTION.get(str(verdict.report.get("exception_type")), ("", ""))
    cause = next((hint for text, hint in _IN_MESSAGE if text in said), exception)
    return cause, _BY_KIND.get(Kind(verdict.kind), ("", ""))
