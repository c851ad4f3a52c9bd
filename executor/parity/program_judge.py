"""The verdict on a candidate program that was run, beside what the reference showed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from executor.parity import program_compare, program_files, program_printed, text
from executor.parity.outcome import (
    Kind,
    Outcome,
    ProbeRecord,
    Reason,
    Stage,
    Verdict,
    failed,
    undecided,
)
from executor.parity.program_case import Case, Sharing
from executor.parity.program_compare import Yardstick, is_named
from executor.parity.program_reference import ATTACH, Reference, said
from executor.parity.program_side import Side
from executor.parity.program_source import (
    looks_elided,
)
from executor.parity.program_story import parting, read_account, tell, unshared
from executor.parity.program_strength import gather, strength_of
from executor.parity.program_trained import compare_trained

# Where the reference says itself how far rounding moves its numbers.
TIGHT_RTOL = 3e-5


HALF = re.compile(r"bfloat16|float16|autocast|\.half\(")


HALF_RTOL = 4e-2


ENDS = {
    "timeout": (Kind.TIMEOUT, "did not end within the limit"),
    "memory": (Kind.OUT_OF_MEMORY, "needed more memory than the limit"),
    "output": (Kind.OUTPUT_LIMIT, "printed more than the limit"),
    "disk": (Kind.OUTPUT_LIMIT, "wrote more to disk than the limit"),
    "signal": (Kind.RUNTIME_ERROR, "was ended by a signal"),
}


def decide(case: Case, known: Reference, side: Side, sharing: Sharing) -> Verdict:
    """The verdict on a candidate that was run."""
    broken = broken_run(case, side)
    if broken is not None:
        return broken
    yardstick = Yardstick(
        TIGHT_RTOL if known.again is not None else program_compare.LOOSE_RTOL,
        None if known.again is None else text.comparable(known.again.text),
        most=HALF_RTOL if HALF.search(case.reference) else program_compare.LOOSE_RTOL,
        nudged={} if known.again is None else known.again.values,
        own=case.contract.tolerances,
    )
    records = compare(case, known, side, sharing, yardstick)
    wrong = next((each for each in records if each.outcome is Outcome.FAIL), None)
    if wrong is not None:
        return differs(known, side, sharing, records, wrong)
    return agrees(case, known, side, records, yardstick)


def broken_run(case: Case, side: Side) -> Verdict | None:
    """The verdict on a candidate that did not come to its end, None when it did."""
    if side.result.end == "infrastructure":
        return undecided(
            Reason.INFRASTRUCTURE, f"Our own machinery broke: {side.result.detail} Run it again."
        )
    if side.result.end != "exited":
        kind, words = ENDS[side.result.end]
        return failed(Stage.RUN, kind, f"The candidate {words}. {side.result.detail}".strip())
    if side.error is not None:
        return raised(case, side)
    if side.unreadable:
        return failed(
            Stage.RUN,
            Kind.MISSING_OUTPUT,
            "The candidate ended before it could be observed "
            f"(exit code {side.result.exit_code}). Let it run to its end.",
        )
    if side.result.exit_code:
        return failed(
            Stage.RUN,
            Kind.RUNTIME_ERROR,
            f"The candidate ended with exit code {side.result.exit_code}.",
            traceback=side.result.stderr[-2_000:],
        )
    return None


def raised(case: Case, side: Side) -> Verdict:
    """The verdict on a candidate that raised."""
    error = side.error
    assert error is not None
    details: dict[str, Any] = {
        "exception_type": error.type,
        "traceback": error.traceback,
        "error_line": error.line,
    }
    if "DataNotAttached" in error.bases:
        return undecided(
            Reason.NEEDS_DATA, f"The candidate's data: {said(error.message)} {ATTACH}", **details
        )
    if "StandInLimit" in error.bases:
        return undecided(
            Reason.MISSING_PACKAGE,
            f"The candidate wants more of a package than is here: {said(error.message)}",
            **details,
        )
    importing = "ImportError" in error.bases
    package = error.module.split(".")[0]
    if "NameError" in error.bases and looks_elided(case.candidate):
        return undecided(
            Reason.ELIDED,
            f"The candidate leaves code out: {error.message}. Complete it.",
            **details,
        )
    if importing and package and package not in KNOWN_PACKAGES and package != "torch":
        return undecided(
            Reason.MISSING_PACKAGE,
            f"The candidate imports {package!r}, which this runtime does not have.",
            **details,
        )
    if importing:
        why = " A translation does not need PyTorch." if package == "torch" else ""
        return failed(Stage.IMPORT, Kind.IMPORT_ERROR, f"{error.message}.{why}", **details)
    memory = "MemoryError" in error.bases or is_memory(error.type, error.message)
    kind = Kind.OUT_OF_MEMORY if memory else Kind.RUNTIME_ERROR
    where = f" (line {error.line})" if error.line else ""
    return failed(Stage.RUN, kind, f"The candidate raised {error.message[:500]}{where}", **details)


def is_memory(name: str, text: str) -> bool:
    """Whether an error says that memory ran out: the host's, or a GPU's (XLA's words)."""
    return name == "MemoryError" or "RESOURCE_EXHAUSTED" in text or "Out of memory" in text


KNOWN_PACKAGES_TEXT = (
    "jax jaxlib flax optax equinox haiku chex numpy scipy pandas matplotlib sklearn tqdm einops "
    "ml_dtypes orbax jaxtyping PIL"
)


KNOWN_PACKAGES = frozenset(KNOWN_PACKAGES_TEXT.split())


def compare(
    case: Case, known: Reference, side: Side, sharing: Sharing, yardstick: Yardstick
) -> list[ProbeRecord]:
    """All records: printed text, variables, files, figures, then trained parameters."""
    ours = known.side
    printed = program_printed.compare_text(ours.text, side.text, yardstick)
    values = program_compare.compare_values(
        ours, side, shared_names(case, ours), case.contract, yardstick
    )
    records = [
        *printed,
        *without_namesakes(without_stale(values, ours, enough=len(printed) > 1), printed, case),
        *program_files.compare_files(ours, side, yardstick),
        *program_files.compare_shown(ours, side, known.again, yardstick),
        *compare_trained(known, side, yardstick, sharing.channels_last),
    ]
    dropped = case.contract.ignore
    return [each for each in records if not any(is_named(each.name, drop) for drop in dropped)]


def without_stale(values: list[ProbeRecord], ours: Side, enough: bool) -> list[ProbeRecord]:
    """The records without parameters that only PyTorch's in-place training has changed.

    A JAX name keeps the initial array; what is trained then shows elsewhere. Only where something
    is printed, so that a program without output is still judged by its parameters.
    """
    trained = {f"variable: {name}" for name in as_names(ours.extra.get("trained"))}
    if not enough:
        return values
    return [
        record for record in values if record.name not in trained or record.outcome is Outcome.PASS
    ]


def without_namesakes(
    values: list[ProbeRecord], printed: Sequence[ProbeRecord], case: Case
) -> list[ProbeRecord]:
    """The records without variables of another shape, where everything that is printed agrees.

    Two programs use short names for different things; a pair that the contract names is meant.
    """
    if len(printed) < 2 or any(record.outcome is Outcome.FAIL for record in printed):
        return values
    meant = {f"variable: {name}" for name in case.contract.names}
    return [
        record
        for record in values
        if record.kind is not Kind.SHAPE_MISMATCH or record.name in meant
    ]


def as_names(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def shared_names(case: Case, ours: Side) -> Sequence[str]:
    """Names whose values both programs compute: no constants, no loop variables."""
    left_out = (
        case.ours.constants | case.ours.loop_targets | case.theirs.loop_targets
    ) - frozenset(case.contract.names)
    return [
        name
        for name in ours.values
        if name.split(".")[0] not in left_out
        and not text.TIMING_WORDS.search(name.replace("_", " "))
    ]


def differs(
    known: Reference,
    side: Side,
    sharing: Sharing,
    records: Sequence[ProbeRecord],
    wrong: ProbeRecord,
) -> Verdict:
    """A fail, unless the draws could not be shared through a limit of ours."""
    probes = tuple(records)
    account = read_account(
        known.draws, side.extra.get("random"), side.extra.get("unmatched"), sharing.carry
    )
    reason = unshared(account)
    if reason:
        return undecided(
            Reason.RANDOMNESS_NOT_SHARED,
            f"The programs differ, but not all randomness could be shared: {reason}. "
            f"{wrong.message}",
            probes=probes,
        )
    story = tell(account) or parting(records)
    return failed(
        Stage.BEHAVIORAL,
        wrong.kind or Kind.VALUE_MISMATCH,
        f"{wrong.message} {story}".strip(),
        probes=probes,
        notes=(story,) if story else (),
    )


def agrees(
    case: Case, known: Reference, side: Side, records: Sequence[ProbeRecord], yardstick: Yardstick
) -> Verdict:
    """A pass, if what agreed could have disagreed."""
    details: dict[str, Any] = {"probes": tuple(records)}
    if not records:
        return undecided(
            Reason.NOTHING_COMPARED,
            "Nothing was compared: the reference prints nothing, and no variable of its own is "
            "also the candidate's. Print a result, or name variables alike.",
            **details,
        )
    names = case.contract.names
    compared = [
        name for name in shared_names(case, known.side) if names.get(name, name) in side.values
    ]
    evidence = gather(known, case, compared)
    strength = strength_of(evidence, yardstick)
    if evidence.empty or not strength.rejected:
        return undecided(
            Reason.CONTRACT_TOO_WEAK,
            "Only constants agree: nothing that was compared is computed by the programs. "
            "Let them print a result.",
            strength=strength,
            **details,
        )
    return Verdict(
        Outcome.PASS,
        stage=Stage.BEHAVIORAL,
        message=f"The candidate shows what the reference shows: {len(records)} probes agree.",
        strength=strength,
        **details,
    )
