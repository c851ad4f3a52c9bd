"""An example's contract as the parity engine takes it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from curation.models import Example
from executor import runtimes
from executor.parity.contract import Contract
from executor.parity.engine import contract_hash
from executor.parity.program_reference import RUNTIME as REFERENCE_RUNTIME


def files_of(example: Example) -> Mapping[str, bytes]:
    return {item.name: bytes(item.content) for item in example.attachments.all()}


def contract_of(example: Example) -> Contract | None:
    """None when the contract is to be recognised.

    Raises:
        ContractError: the stored contract is not one.
    """
    return None if example.contract is None else Contract.from_json(example.contract)


def hash_of(example: Example) -> str:
    return hash_over(example.pytorch_code, example.contract, files_of(example))


def hash_over(reference: str, contract: Any, files: Mapping[str, bytes]) -> str:
    """The same over what an example holds.

    Raises:
        ContractError: the stored contract is not one.
    """
    return contract_hash(
        reference, None if contract is None else Contract.from_json(contract), files
    )


def device_of(example: Example) -> str:
    """The queue that its runs wait in, unless whoever asks for them says otherwise."""
    return (example.contract or {}).get("device") or "cpu"


def runtime_or_default(runtime: str | None) -> str:
    return runtime or str(settings.T2J_DEFAULT_RUNTIME)


def runtime_hash(runtime: str) -> str:
    """Over the packages of both sides: verdicts of other packages are not of these."""
    stamps = (runtimes.stamp(name) for name in (REFERENCE_RUNTIME, runtime))
    return hashlib.sha256("".join(stamps).encode()).hexdigest()
