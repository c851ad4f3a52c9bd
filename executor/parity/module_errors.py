"""What it means that a candidate's process did not do all that was asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.parity.module_candidate import Observed
from executor.parity.outcome import Kind, Reason, Stage, Verdict, failed, undecided
from executor.parity.program_judge import ENDS, KNOWN_PACKAGES, is_memory
from executor.parity.program_source import looks_elided

STAGE_OF = {
    "import": Stage.IMPORT,
    "load": Stage.IMPORT,
    "train": Stage.NUMERIC,
    "gradients": Stage.NUMERIC,
    "training": Stage.BEHAVIORAL,
    "observe": Stage.NUMERIC,
    "alternatives": Stage.BEHAVIORAL,
}
WORDS_OF = {
    "load": "when it is imported",
    "own_inputs": "in its get_inputs()",
    "construct": "when Model is constructed and initialised",
    "outputs": "in its forward pass",
    "train": "in its forward pass in train mode",
    "gradients": "when it is differentiated",
    "training": "in the short training",
    "observe": "in the contract's own probes",
}


def stopped(observed: Observed) -> Verdict | None:
    """The verdict on a candidate whose process did not end by itself, or left no report."""
    result = observed.result
    if result.end == "infrastructure":
        return undecided(
            Reason.INFRASTRUCTURE, f"Our own machinery broke: {result.detail} Run it again."
        )
    if result.end != "exited":
        kind, words = ENDS[result.end]
        where = WORDS_OF.get(observed.phase, "")
        return failed(
            STAGE_OF.get(observed.phase, Stage.RUN),
            kind,
            " ".join(f"The candidate {words} {where}".split()) + f". {result.detail}",
        )
    if observed.unreadable:
        return failed(
            Stage.RUN,
            Kind.MISSING_OUTPUT,
            "The candidate ended before it could be observed "
            f"(exit code {result.exit_code}). Let it run to its end.",
        )
    return None


def raised(candidate: str, observed: Observed) -> Verdict:
    """The verdict on a candidate that raised."""
    error = observed.error
    assert error is not None
    details: dict[str, Any] = {
        "exception_type": error.type,
        "traceback": error.traceback,
        "error_line": error.line,
    }
    if error.ours or observed.phase == "map_parameters":
        return undecided(
            Reason.INFRASTRUCTURE,
            f"Our own machinery broke on the candidate: {error.type}: {error.text[:300]}. "
            "Report this.",
            **details,
        )
    if error.type == "NoModel":
        return failed(Stage.SPEC, Kind.MISSING_OUTPUT, error.text, error_line=None)
    if error.type in ("ImportError", "ModuleNotFoundError"):
        return _import_error(error.text, error.module, details)
    if error.type == "NameError" and looks_elided(candidate):
        return undecided(
            Reason.ELIDED, f"The candidate leaves code out: {error.text}. Complete it.", **details
        )
    kind = Kind.OUT_OF_MEMORY if is_memory(error.type, error.text) else Kind.RUNTIME_ERROR
    line = f" (line {error.line})" if error.line else ""
    where = WORDS_OF.get(observed.phase, "")
    text = error.text.strip().split("\n")[0][:500]
    return failed(
        STAGE_OF.get(observed.phase, Stage.RUN),
        kind,
        f"The candidate raised {error.type} {where}{line}: {text}",
        **details,
    )


def _import_error(text: str, module: str, details: Mapping[str, Any]) -> Verdict:
    package = module.split(".", maxsplit=1)[0]
    if package and package not in KNOWN_PACKAGES and package != "torch":
        return undecided(
            Reason.MISSING_PACKAGE,
            f"The candidate imports {package!r}, which this runtime does not have.",
            **details,
        )
    why = " A translation does not need PyTorch." if package == "torch" else ""
    return failed(Stage.IMPORT, Kind.IMPORT_ERROR, f"{text}.{why}", **details)
