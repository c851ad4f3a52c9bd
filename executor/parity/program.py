"""Programs: scripts that seed, draw, train and print. Both run as they are, each in its box.

The ladder is parse, import, run, behavioral: what they print, the variables they leave and the
files they write are compared. The reference runs twice, the second time with its arithmetic
nudged by a rounding error: what moves then is as exact as the comparison can be.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace

from executor.harness import lengths
from executor.parity.cache import ReferenceCache
from executor.parity.contract import Contract, parsed
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict, failed, undecided
from executor.parity.program_case import Case
from executor.parity.program_readings import Runner, best_of
from executor.parity.program_reference import Reference, ReferenceRuns, ReferenceTrouble
from executor.parity.program_source import has_elided_statement, looks_elided, read_source

OWN_WAYS = re.compile(r"\b(?:BatchNorm|SyncBatchNorm|LSTM|GRU|RNN)")
JAX_WAYS = (
    "The reference was run with one bias per recurrent layer and with biased running variances, as "
    "JAX's layers have them."
)


def verify_program(  # noqa: PLR0917 - the engine calls it by name
    reference: str,
    candidate: str,
    contract: Contract,
    files: Mapping[str, bytes],
    runtime: str,
    cache: ReferenceCache | None,
    runner: Runner,
) -> Verdict:
    """Decide whether the candidate program shows what the reference shows.

    Never raises for what the programs are or do. SandboxUnavailable passes through.
    """
    parsed = parse_both(reference, candidate)
    if isinstance(parsed, Verdict):
        return parsed
    case = Case(
        reference,
        candidate,
        contract,
        files,
        runtime,
        ReferenceRuns(reference, contract, files, cache, runner),
        read_source(parsed[0]),
        read_source(parsed[1]),
    )
    try:
        return within_limits(case, parsed, runner)
    except ReferenceTrouble as trouble:
        return undecided(trouble.reason, trouble.message, **trouble.details)


def within_limits(case: Case, trees: tuple[ast.Module, ast.Module], runner: Runner) -> Verdict:
    """The verdict; a training that takes too long on either side is shortened on both alike."""
    shorter = lengths.shorter(*trees)
    may_shorten = bool(shorter) and case.contract.auto_constants and not case.contract.constants
    try:
        verdict = observed(case, runner)
    except ReferenceTrouble as trouble:
        if not trouble.too_long or not may_shorten:
            raise
        verdict = None
    if verdict is not None and not (may_shorten and verdict.kind is Kind.TIMEOUT):
        return verdict
    contract = case.contract.with_constants(shorter)
    runs = replace(case.runs, contract=contract)
    try:
        again = observed(replace(case, contract=contract, runs=runs), runner)
    except ReferenceTrouble:
        if verdict is None:
            raise
        return verdict
    side = "reference" if verdict is None else "candidate"
    note = (
        f"The {side} takes longer than {case.contract.wall_s:g} s, so both programs were "
        f"shortened alike: {', '.join(f'{name} = {value}' for name, value in shorter.items())}."
    )
    return replace(again, notes=(*again.notes, note), constants=dict(contract.constants))


def observed(case: Case, runner: Runner) -> Verdict:
    """The verdict under one contract. Raises ReferenceTrouble."""
    known = case.runs.observe()
    verdict = beside_jax_ways(case, best_of(case, known, runner), runner)
    notes = (*verdict.notes, *notes_on_data(known))
    return replace(verdict, notes=notes, constants=dict(case.contract.constants))


def beside_jax_ways(case: Case, verdict: Verdict, runner: Runner) -> Verdict:
    """The verdict beside the reference with the ways of JAX's own layers.

    Recurrent layers with two biases and batch norms with the unbiased variance are PyTorch's own:
    a right translation cannot have them. A pass then says so.
    """
    if verdict.stage is not Stage.BEHAVIORAL or verdict.outcome is Outcome.PASS:
        return verdict
    if not OWN_WAYS.search(case.reference):
        return verdict
    try:
        known = case.runs.observe(as_jax=True)
    except ReferenceTrouble:
        return verdict
    other = best_of(replace(case, as_jax=True), known, runner)
    if other.outcome is not Outcome.PASS:
        return verdict
    return replace(other, notes=(*other.notes, JAX_WAYS))


def notes_on_data(known: Reference) -> tuple[str, ...]:
    used = known.side.extra.get("data")
    names = [each for each in used if isinstance(each, str)] if isinstance(used, list) else []
    if not names:
        return ()
    return (f"Stand-in data was used for {', '.join(names)}: made up, small, alike on both sides.",)


def parse_both(reference: str, candidate: str) -> tuple[ast.Module, ast.Module] | Verdict:
    """Both syntax trees, or the verdict that their absence is."""
    ours = parse(reference)
    if not isinstance(ours, ast.Module):
        return undecided(
            Reason.ELIDED if looks_elided(reference) else Reason.REFERENCE_FAILS,
            f"The reference is not Python 3: {ours.msg} (line {ours.lineno}). Repair it first.",
            error_line=None,
        )
    if has_elided_statement(ours):
        return undecided(
            Reason.ELIDED, 'The reference is elided: a bare "..." stands for code. Complete it.'
        )
    theirs = parse(candidate)
    if not isinstance(theirs, ast.Module):
        return unparsed(theirs, candidate)
    if has_elided_statement(theirs):
        return undecided(
            Reason.ELIDED, 'The candidate is elided: a bare "..." stands for code. Complete it.'
        )
    return ours, theirs


def parse(code: str) -> ast.Module | SyntaxError:
    try:
        return parsed(code)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxError(f"{type(error).__name__}: {error}")


def unparsed(error: SyntaxError, code: str) -> Verdict:
    line = error.lineno if isinstance(error.lineno, int) else None
    shown = (
        code.split("\n")[line - 1].strip()[:200] if line and line <= code.count("\n") + 1 else ""
    )
    return failed(
        Stage.PARSE,
        Kind.SYNTAX_ERROR,
        f"The candidate does not parse: {error.msg}" + (f" (line {line})." if line else "."),
        exception_type="SyntaxError",
        traceback=f'  File "program.py", line {line}\n    {shown}\nSyntaxError: {error.msg}',
        error_line=line,
    )
