"""An example's contract as the parity engine takes it."""

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import BinaryField, F, Func, QuerySet

from curation.models import Attachment, Example
from executor import runtimes
from executor.parity.contract import Contract, ContractError
from executor.parity.engine import contract_hash, hash_of_hashes
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


_REFERENCE_HASH = Func(
    F("pytorch_code"),
    template="sha256(convert_to(%(expressions)s, 'UTF8'))",
    output_field=BinaryField(),
)


def hashes_of(examples: QuerySet[Example], *, in_pieces: bool = False) -> dict[int, str]:
    """`hash_of` of many examples by id, in two queries that read neither programs nor files.

    `in_pieces` never holds all contracts at once, which a page of examples need not care for. An
    example whose stored contract is none any more is left out: it says so where it is run.
    """
    files: dict[int, dict[str, bytes]] = defaultdict(dict)
    attached = Attachment.objects.filter(example__in=examples.order_by().values("pk")).order_by()
    for example, name, digest in attached.values_list("example_id", "name", "sha256"):
        files[example][name] = bytes.fromhex(digest)
    found = {}
    rows = examples.order_by().values_list("pk", "contract", _REFERENCE_HASH)
    for pk, stored, reference in rows.iterator(chunk_size=2_000) if in_pieces else rows:
        with contextlib.suppress(ContractError):
            contract = None if stored is None else Contract.from_json(stored)
            found[pk] = hash_of_hashes(bytes(reference), contract, files.get(pk, {}))
    return found


def device_of(example: Example) -> str:
    """The queue that its runs wait in, unless whoever asks for them says otherwise."""
    return (example.contract or {}).get("device") or "cpu"


def runtime_or_default(runtime: str | None) -> str:
    return runtime or str(settings.T2J_DEFAULT_RUNTIME)


def runtime_hash(runtime: str) -> str:
    """Over the packages of both sides: verdicts of other packages are not of these."""
    stamps = (runtimes.stamp(name) for name in (REFERENCE_RUNTIME, runtime))
    return hashlib.sha256("".join(stamps).encode()).hexdigest()
