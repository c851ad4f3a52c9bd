"""Readings of one candidate: ways to share the reference's draws, each a run.

What the draws alone do not say (which way a square weight lies, whether weights are drawn or
carried) is tried; a program is right when one reading of it agrees throughout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from executor.harness import effort
from executor.parity import text
from executor.parity.context import Ran, in_context
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict, undecided
from executor.parity.program_case import Case, Sharing
from executor.parity.program_judge import decide
from executor.parity.program_reference import Reference
from executor.parity.program_side import Side, job, read_mapping, read_side
from executor.parity.program_story import read_account
from executor.sandbox.job import Job, JobResult

Runner = Callable[[Job], JobResult]
# Readings of one candidate that are tried, each a run.
MAX_RUNS = 4
MAX_BY_HAND = 200
FLATTENS = re.compile(r"\bConv\w*\b[\s\S]*\bLinear\b|\bLinear\b[\s\S]*\bConv\w*\b")
BY_HAND = (
    "The candidate initialises parameters by hand from other distributions than PyTorch's layers; "
    "the reference's initial parameters were carried over."
)
CHANNELS_LAST = (
    "The candidate flattens images with their channels last; the weights of the layers beside were "
    "carried over in that order."
)
SHARING_ERROR = re.compile(r"effect|shared_draw|callback", re.IGNORECASE)


def best_of(case: Case, known: Reference, runner: Runner) -> Verdict:
    """The verdict under the likeliest way to share draws, or the first other that passes.

    What the draws alone do not say (which way a square weight lies, whether weights are drawn or
    carried) is tried; a program is right when one reading of it agrees throughout.
    """
    first: Verdict | None = None
    sharing = Sharing(carry=bool(case.theirs.libraries))
    waiting, tried = [sharing], {sharing}
    while waiting:
        sharing = waiting.pop(0)
        side = read_side(runner(candidate_job(case, known, sharing)))
        verdict = with_context(decide(case, known, side, sharing), known, side)
        if verdict.outcome is Outcome.PASS:
            passed = replace(verdict, notes=(*verdict.notes, *notes_on(sharing)))
            return confirmed(case, known, side, passed, sharing, runner)
        if first is None:
            first = without_sharing(case, known, side, verdict, runner)
        elif unshared(first) and verdict.outcome is Outcome.FAIL:
            first = verdict
        others = [
            each for each in alternatives(case, known, side, verdict, sharing) if each not in tried
        ]
        waiting += others[: MAX_RUNS - len(tried)]
        tried.update(waiting)
    assert first is not None
    return first


def confirmed(  # noqa: PLR0917 - everything that the pass rests on
    case: Case,
    known: Reference,
    side: Side,
    verdict: Verdict,
    sharing: Sharing,
    runner: Runner,
) -> Verdict:
    """The pass, if the candidate's results follow the draws as the reference's do.

    A program that has its results written into it shows them whatever is drawn.
    """
    if not known.drew or verdict.strength is None:
        return verdict
    other = case.runs.under_other_seeds(case.as_jax)
    if other is None or not moved(known.side, other.side):
        return verdict
    again = read_side(runner(candidate_job(case, other, sharing)))
    if again.result.end == "exited" and again.error is None and not moved(side, again):
        return replace(
            verdict,
            outcome=Outcome.FAIL,
            kind=Kind.VALUE_MISMATCH,
            message="The candidate prints the same results whatever it draws; the reference's "
            "results follow its draws.",
        )
    strength = replace(verdict.strength, rejected=(*verdict.strength.rejected, "draws ignored"))
    return replace(verdict, strength=strength)


def moved(first: Side, second: Side) -> bool:
    """Whether two runs print other fractions, or leave other variables where they print none."""
    ours, theirs = fractions(first), fractions(second)
    if ours or theirs:
        return ours != theirs
    return any(
        name in second.values and not np.array_equal(value, second.values[name])
        for name, value in first.values.items()
    )


def fractions(side: Side) -> list[str]:
    return [
        number.text
        for line in text.comparable(side.text)
        for number in line.numbers
        if not number.integer and not number.timing
    ]


def alternatives(
    case: Case, known: Reference, side: Side, verdict: Verdict, sharing: Sharing
) -> Sequence[Sharing]:
    """Other readings worth a run: only for programs that ran and differ in their numbers."""
    compared = verdict.stage is Stage.BEHAVIORAL or unshared(verdict)
    if not known.drew or not compared or side.error is not None:
        return ()
    reported = side.extra.get("random")
    told = reported if isinstance(reported, dict) else {}
    found = []
    if not sharing.constants and left_to_layers(known, side, sharing):
        by_hand = read_by_hand(told.get("by_hand"))
        found.append(replace(sharing, by_hand=by_hand, constants=True))
    if sharing.carry and FLATTENS.search(case.reference):
        found.append(replace(sharing, channels_last=not sharing.channels_last))
    if told.get("squares"):
        found.append(replace(sharing, transpose_squares=not sharing.transpose_squares))
    if told.get("masks"):
        found.append(replace(sharing, flip_masks=not sharing.flip_masks))
    if told.get("unanswered") and sharing.carry:
        found.append(replace(sharing, skip_defaults=False))
    return found


def left_to_layers(known: Reference, side: Side, sharing: Sharing) -> bool:
    """Whether parameters that PyTorch's layers drew found no draw of the candidate's."""
    told, unmatched = side.extra.get("random"), side.extra.get("unmatched")
    by_hand = isinstance(told, dict) and bool(told.get("by_hand"))
    account = read_account(known.draws, told, unmatched, sharing.carry and not by_hand)
    return any(drawn.default and drawn.weight for drawn in account.missing)


def read_by_hand(data: Any) -> tuple[tuple[int, float, float], ...]:
    """What the candidate's box found of parameters made by hand, if it is that."""
    found = []
    for each in data[:MAX_BY_HAND] if isinstance(data, list) else ():
        if not isinstance(each, list) or len(each) != 3:
            continue
        number, scale, shift = each
        plain = isinstance(number, int) and isinstance(scale, float) and isinstance(shift, float)
        if plain and scale and math.isfinite(scale) and math.isfinite(shift):
            found.append((number, scale, shift))
    return tuple(found)


def without_sharing(
    case: Case, known: Reference, side: Side, verdict: Verdict, runner: Runner
) -> Verdict:
    """Where sharing draws itself broke a program that runs without, nothing is decided."""
    error = side.error
    if error is None or not known.drew or not SHARING_ERROR.search(error.message):
        return verdict
    plain = read_side(runner(candidate_job(case, known, None)))
    if plain.error is not None or plain.result.end != "exited":
        return verdict
    where = f" (line {error.line})" if error.line else ""
    return with_context(
        undecided(
            Reason.RANDOMNESS_NOT_SHARED,
            f"The candidate draws random numbers where their order cannot be kept{where}: "
            f"{error.message[:300]}. Draw them outside of it.",
            error_line=error.line,
        ),
        known,
        plain,
    )


def candidate_job(case: Case, known: Reference, sharing: Sharing | None) -> Job:
    settings: dict[str, Any] = {
        "constants": dict(case.contract.constants),
        "observe": case.contract.observe_candidate,
        "optimise": effort.is_worth_it(known.side.result.cpu_s),
    }
    own_files: dict[str, bytes] = {}
    if known.drew and sharing is not None:
        own_files = {"t2j-draws.npz": known.draws, "t2j-photos.npz": known.photos}
        settings["libraries"] = list(case.theirs.libraries) if sharing.carry else []
        settings["options"] = {
            "skip_defaults": sharing.carry and sharing.skip_defaults,
            "transpose_squares": sharing.transpose_squares,
            "flip_masks": sharing.flip_masks,
            "by_hand": [list(each) for each in sharing.by_hand],
            "constants": sharing.constants,
        }
        settings["channels_last"] = sharing.channels_last
    return job(
        case.runtime,
        "program_candidate",
        case.candidate,
        case.contract,
        case.files,
        settings=settings,
        own_files=own_files,
        cache_scope=case.runs.scope,
    )


def unshared(verdict: Verdict) -> bool:
    return verdict.reason is Reason.RANDOMNESS_NOT_SHARED


def notes_on(sharing: Sharing) -> tuple[str, ...]:
    """What a reader of the pass has to know of how the draws were shared."""
    notes = []
    if sharing.constants:
        notes.append(BY_HAND)
    if sharing.channels_last:
        notes.append(CHANNELS_LAST)
    return tuple(notes)


def with_context(verdict: Verdict, known: Reference, side: Side) -> Verdict:
    """The verdict with what both sides printed, ran on, and how long they took."""
    return in_context(
        verdict,
        Ran(known.side.result, known.side.versions, text=known.side.text),
        Ran(side.result, side.versions, text=side.text),
        parameter_mapping=read_mapping(side.extra.get("mapping")),
    )
