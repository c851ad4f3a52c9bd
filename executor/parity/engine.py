"""The one door of the parity engine: two snippets in, one verdict out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from executor import sandbox
from executor.parity.cache import ReferenceCache
from executor.parity.contract import MAX_CODE, Contract, ContractError, Shape, recognise_shape
from executor.parity.functions import verify_functions
from executor.parity.module import verify_module
from executor.parity.outcome import Reason, Verdict, undecided
from executor.parity.program import parse_both, verify_program
from executor.sandbox.job import Job, JobResult

# Part of every contract's hash: verdicts of another version are not this version's.
VERSION = "2"


def verify(
    reference: str,
    candidate: str,
    *,
    contract: Contract | None = None,
    files: Mapping[str, bytes] | None = None,
    runtime: str = "jax",
    cache: ReferenceCache | None = None,
    runner: Callable[[Job], JobResult] = sandbox.run,
) -> Verdict:
    """Decide whether `candidate` (JAX) does what `reference` (PyTorch) does.

    Without a contract the shape of the snippets is recognised. `files` are laid beside both
    snippets. `cache` keeps the reference's recorded run by content. Never raises for what the
    snippets are or do; SandboxUnavailable passes through.
    """
    refused = _too_long(reference, candidate) or _empty(reference, candidate)
    if refused is not None:
        return refused
    parsed = parse_both(reference, candidate)
    if isinstance(parsed, Verdict):
        return parsed
    try:
        agreed = contract or Contract(kind=recognise_shape(reference, candidate))
    except ContractError as error:
        return undecided(Reason.BAD_INPUT, str(error))
    began = time.monotonic()
    verdict = _verifier(agreed)(reference, candidate, agreed, files or {}, runtime, cache, runner)
    seconds = round(time.monotonic() - began, 3)
    return replace(verdict, contract=agreed.to_json(), seconds=seconds)


def contract_hash(
    reference: str, contract: Contract | None, files: Mapping[str, bytes] | None = None
) -> str:
    """sha256 over everything but the candidate and the runtime that a verdict depends on."""
    hashes = {name: _sha256(content) for name, content in (files or {}).items()}
    return hash_of_hashes(_sha256(reference.encode()), contract, hashes)


def hash_of_hashes(reference: bytes, contract: Contract | None, files: Mapping[str, bytes]) -> str:
    """`contract_hash` where the sha256 of the reference and of each file are known already."""
    described = None if contract is None else contract.to_json()
    parts = [_sha256(VERSION.encode()), reference]
    parts.append(_sha256(json.dumps(described, sort_keys=True).encode()))
    for name in sorted(files):
        parts += [_sha256(name.encode()), files[name]]
    return _sha256(b"".join(parts)).hex()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _too_long(reference: str, candidate: str) -> Verdict | None:
    for side, code in (("reference", reference), ("candidate", candidate)):
        if len(code) > MAX_CODE:
            return undecided(
                Reason.BAD_INPUT,
                f"The {side} has {len(code):,} characters; at most {MAX_CODE:,} are read.",
            )
    return None


def _empty(reference: str, candidate: str) -> Verdict | None:
    for side, code in (("reference", reference), ("candidate", candidate)):
        if not code.strip():
            return undecided(Reason.BAD_INPUT, f"The {side} is empty. Paste its code.")
    return None


def _verifier(contract: Contract) -> Callable[..., Verdict]:
    """Functions without lines that observe them are judged by what they print and leave."""
    if contract.kind is Shape.MODULE:
        return verify_module
    if contract.kind is Shape.FUNCTIONS and contract.observe_reference.strip():
        return verify_functions
    return verify_program
