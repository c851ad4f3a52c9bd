"""The reference's own runs: recorded once, kept by content, trusted only when they repeat."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from executor.harness import codec
from executor.parity import text
from executor.parity.cache import ReferenceCache, harness_version
from executor.parity.contract import Contract
from executor.parity.outcome import Reason
from executor.parity.program_side import ProgramError, Side, job, read_side
from executor.parity.program_source import looks_elided
from executor.sandbox.job import Job, JobResult

RUNTIME = "torch"
DRAWS = "draws.npz"
PHOTOS = "photos.npz"
# About one rounding error of float32.
NUDGE = 2.0**-23
# Added to every seed that a program sets, for a run on other draws.
SEED_SHIFT = 1009
NETWORK_ERRORS = frozenset(
    ("URLError", "gaierror", "ConnectionError", "ConnectError", "HTTPError", "SSLError")
)
ATTACH = (
    "Attach the data and read it from a file, or attach a data provider: with `data_provider` set "
    "to `stand_in` in the contract both sides get small made-up data of the same shapes and types."
)
DATA_PACKAGES = frozenset(("torchvision", "torchtext", "torchaudio", "datasets", "transformers"))


class ReferenceTrouble(Exception):
    """The reference cannot serve as one. `message` tells a person why and what to do."""

    def __init__(self, reason: Reason, message: str, **details: Any) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details
        self.too_long = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the reference.

    nudge         relative error added to its arithmetic
    run           which of several equal runs
    shift         added to every seed that it sets
    as_jax        recurrent layers have one bias, batch norms keep the biased variance: what JAX's
                  libraries do otherwise than PyTorch, and what no translation can change
    """

    nudge: float = 0.0
    run: int = 1
    shift: int = 0
    as_jax: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that ran: what it showed, what it showed when nudged, what it drew."""

    side: Side
    again: Side | None
    draws: bytes
    photos: bytes
    drew: bool
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ReferenceRuns:
    """Runs of one reference under one contract, recorded once and kept by content."""

    code: str
    contract: Contract
    files: Mapping[str, bytes]
    cache: ReferenceCache | None
    runner: Callable[[Job], JobResult]

    @property
    def scope(self) -> str:
        """Names the compilation cache that all candidates for this reference share."""
        return content_key(self.code, self.contract, self.files, Variant())

    def observe(self, as_jax: bool = False) -> Reference:
        """The reference as it shows itself, and as it does when nudged.

        Raises ReferenceTrouble when it fails, needs what is not there, or does not repeat itself.
        """
        plain = Variant(as_jax=as_jax)
        first = self.recorded(plain)
        side = checked(self.code, read_side(first))
        second = read_side(self.recorded(replace(plain, nudge=NUDGE)))
        again = second if second.error is None and second.result.end == "exited" else None
        if again is None or again.text != side.text:
            exact = read_side(self.recorded(replace(plain, run=2)))
            require_repeat(side, exact)
            again = exact if again is None else again
        return reference_of(first, side, again)

    def under_other_seeds(self, as_jax: bool = False) -> Reference | None:
        """The reference on other draws, None when it does not come to its end then."""
        result = self.recorded(Variant(shift=SEED_SHIFT, as_jax=as_jax))
        side = read_side(result)
        if result.end != "exited" or side.error is not None or side.unreadable:
            return None
        return reference_of(result, side, None)

    def recorded(self, variant: Variant) -> JobResult:
        """One run, from the cache where it was made before."""
        key = content_key(self.code, self.contract, self.files, variant)
        kept = self.cache.get(key) if self.cache is not None else None
        if kept is not None:
            return thaw(kept)
        settings = {
            "constants": dict(self.contract.constants),
            "observe": self.contract.observe_reference,
            **asdict(variant),
        }
        result = self.runner(
            job(
                RUNTIME,
                "program_reference",
                self.code,
                self.contract,
                self.files,
                settings=settings,
            )
        )
        if self.cache is not None and result.end != "infrastructure":
            self.cache.put(key, freeze(result))
        return result


def reference_of(result: JobResult, side: Side, again: Side | None) -> Reference:
    draws = result.files.get(DRAWS, b"")
    photos = result.files.get(PHOTOS, b"")
    return Reference(side, again, draws, photos, drew=has_draws(draws))


def content_key(code: str, contract: Contract, files: Mapping[str, bytes], variant: Variant) -> str:
    digest = hashlib.sha256()
    settings = [
        contract.seed,
        dict(contract.constants),
        contract.wall_s,
        contract.memory_mb,
        contract.observe_reference,
        contract.data_provider,
        contract.data_examples,
    ]
    for part in (harness_version(), code, json.dumps([settings, asdict(variant)], sort_keys=True)):
        digest.update(hashlib.sha256(part.encode()).digest())
    for name in sorted(files):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(files[name]).digest())
    return f"program-{digest.hexdigest()}"


def freeze(result: JobResult) -> bytes:
    """A run as bytes: a zip of its files beside its description."""
    described = {key: value for key, value in asdict(result).items() if key != "files"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("result.json", json.dumps(described))
        for name, data in result.files.items():
            archive.writestr(f"files/{name}", data)
    return buffer.getvalue()


def thaw(data: bytes) -> JobResult:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        described = json.loads(archive.read("result.json"))
        files = {
            name.removeprefix("files/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("files/")
        }
    return JobResult(files=files, **described)


def checked(code: str, side: Side) -> Side:
    """The side, if the reference came to its end. Raises ReferenceTrouble otherwise."""
    result = side.result
    if result.end == "infrastructure":
        raise ReferenceTrouble(
            Reason.INFRASTRUCTURE, f"Our own machinery broke: {result.detail} Run it again."
        )
    if result.end == "timeout":
        trouble = ReferenceTrouble(
            Reason.REFERENCE_FAILS,
            "The reference did not end within the time limit. Override its number of epochs or "
            "steps in the contract's constants, or raise the limit.",
        )
        trouble.too_long = True
        raise trouble
    if result.end != "exited":
        raise ReferenceTrouble(
            Reason.REFERENCE_FAILS, f"The reference did not come to its end: {result.detail}"
        )
    if side.error is not None:
        raise failed_reference(code, side)
    if side.unreadable or result.exit_code:
        raise ReferenceTrouble(
            Reason.REFERENCE_FAILS,
            f"The reference ended early with exit code {result.exit_code}; let it run to its end.",
        )
    return side


def failed_reference(code: str, side: Side) -> ReferenceTrouble:
    error = side.error
    assert error is not None
    reason, message = why_it_failed(code, error)
    details = {"traceback": error.traceback, "exception_type": error.type}
    return ReferenceTrouble(reason, message, **details)


def why_it_failed(code: str, error: ProgramError) -> tuple[Reason, str]:
    """The reason that an exception of the reference's is, and what to do about it."""
    package = error.module.split(".")[0]
    if "DataNotAttached" in error.bases:
        return Reason.NEEDS_DATA, f"{said(error.message)} {ATTACH}"
    if package in DATA_PACKAGES:
        return Reason.NEEDS_DATA, (
            f"The reference takes its data from {package!r}, which is not here. Attach the data "
            "and read it from a file."
        )
    if {"StandInLimit", "ImportError"} & set(error.bases):
        return Reason.MISSING_PACKAGE, (
            "The reference needs a package, or a part of one, that its runtime does not have: "
            f"{error.message}"
        )
    if NETWORK_ERRORS & set(error.bases):
        return Reason.NEEDS_NETWORK, (
            "The reference wants the network, and programs run without one. Attach what it "
            "downloads and read it from a file."
        )
    if "FileNotFoundError" in error.bases:
        return Reason.NEEDS_DATA, (
            f"The reference reads a file that is not attached: {error.message}. Attach it."
        )
    where = f" (line {error.line})" if error.line else ""
    return (
        Reason.ELIDED if looks_elided(code) else Reason.REFERENCE_FAILS,
        f"The reference itself fails: {error.message[:500]}{where}",
    )


def said(message: str) -> str:
    """The text of an exception without its type."""
    return message.partition(": ")[2] or message


def repeats(first: Side, second: Side) -> bool:
    """Whether two runs say the same but for numbers."""
    ours, theirs = text.comparable(first.text), text.comparable(second.text)
    return [line.template for line in ours] == [line.template for line in theirs]


def require_repeat(first: Side, second: Side) -> None:
    """Raises ReferenceTrouble unless two plain runs agree but for measurements of time."""
    if second.result.end != "exited" or second.error is not None or not repeats(first, second):
        raise not_deterministic("its output")
    pairs = zip(text.comparable(first.text), text.comparable(second.text), strict=True)
    for ours, theirs in pairs:
        if text.speaks_of_time(ours):
            continue
        for a, b in zip(ours.numbers, theirs.numbers, strict=True):
            if a.text != b.text and not a.timing:
                raise not_deterministic(f'"{ours.raw.strip()[:120]}"')


def not_deterministic(what: str) -> ReferenceTrouble:
    return ReferenceTrouble(
        Reason.REFERENCE_NOT_DETERMINISTIC,
        f"The reference does not repeat itself: {what} differs from run to run. Remove what "
        "makes it vary (the clock, the process, the order of a set).",
    )


def has_draws(draws: bytes) -> bool:
    """Whether the log holds a draw that something used."""
    try:
        described = json.loads(codec.read_npz(draws)["text"].tobytes())
    except (ValueError, KeyError):
        return False
    return any(not entry.get("dead") for entry in described["draws"])
