"""Verify one pair of files: does the JAX program do what the PyTorch program does?

Exit status: 0 pass, 1 fail, 2 undecided (with the reason).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from executor.parity import engine
from executor.parity.contract import MAX_CODE, PROVIDERS, Contract, ContractError
from executor.parity.outcome import Outcome, Reason, Verdict, undecided
from executor.sandbox import SandboxUnavailable

EXIT = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNDECIDED: 2}
MAX_INPUTS = 512 * 1024 * 1024


class BadFile(Exception):
    """A file that cannot be used; the text is a sentence."""


class Command(BaseCommand):
    help = __doc__
    needs_services = False
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reference", type=Path, help="the PyTorch program")
        parser.add_argument("candidate", type=Path, help="its JAX translation")
        parser.add_argument("--contract", type=Path, help="a contract (JSON)")
        parser.add_argument("--inputs", type=Path, help="arrays (.npz) instead of get_inputs()")
        parser.add_argument("--constants", help='overrides, such as {"batch_size": 4}')
        parser.add_argument(
            "--file",
            type=Path,
            action="append",
            default=[],
            help="a data file to lay beside both programs (may be repeated)",
        )
        parser.add_argument(
            "--data-provider",
            choices=PROVIDERS,
            help="where data sets come from that the programs would download",
        )
        parser.add_argument("--runtime", default="jax", help="runtime of the candidate")
        parser.add_argument("--json", action="store_true", help="print the verdict as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = decide(options)
        if options["json"]:
            self.stdout.write(json.dumps(verdict.to_json(), allow_nan=False))
        else:
            self.stdout.write(describe(verdict))
        sys.exit(EXIT[verdict.outcome])


def decide(options: Mapping[str, Any]) -> Verdict:
    """The verdict on the files named on the command line."""
    try:
        reference, candidate = read_code(options["reference"]), read_code(options["candidate"])
        files = {path.name: read_bytes(path) for path in options["file"]}
        contract = read_contract(options, reference, candidate)
        if options["inputs"] is not None:
            files["inputs.npz"] = read_bytes(options["inputs"])
        return engine.verify(
            reference, candidate, contract=contract, files=files, runtime=options["runtime"]
        )
    except (BadFile, ContractError) as error:
        return undecided(Reason.BAD_INPUT, str(error))
    except SandboxUnavailable as error:
        return undecided(Reason.INFRASTRUCTURE, str(error))
    except Exception as error:
        return undecided(
            Reason.INFRASTRUCTURE,
            f"Our own machinery broke: {type(error).__name__}: {error}. Report this.",
        )


def read_code(path: Path) -> str:
    """The text of a program. Raises BadFile with a sentence."""
    data = read_bytes(path)
    if len(data) > 4 * MAX_CODE:
        raise BadFile(f"{path} has {len(data):,} bytes; a program of that size is not read.")
    if b"\0" in data:
        raise BadFile(f"{path} is not text.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises BadFile with a sentence."""
    try:
        if path.stat().st_size > MAX_INPUTS:
            raise BadFile(f"{path} is larger than {MAX_INPUTS // 2**20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}.") from error


def read_contract(options: Mapping[str, Any], reference: str, candidate: str) -> Contract | None:
    """The contract of the command line, None when it is to be recognised."""
    given = ("contract", "constants", "inputs", "data_provider")
    if not any(options[name] for name in given):
        return None
    data: dict[str, Any] = {}
    if options["contract"] is not None:
        data = read_object(read_code(options["contract"]), str(options["contract"]))
    else:
        data = Contract.recognise(reference, candidate).to_json()
    if options["constants"]:
        overrides = read_object(options["constants"], "--constants")
        data["constants"] = {**data.get("constants", {}), **overrides}
    if options["inputs"] is not None:
        data["inputs"] = "inputs.npz"
    if options["data_provider"]:
        data["data_provider"] = options["data_provider"]
    if "kind" not in data:
        data["kind"] = str(Contract.recognise(reference, candidate).kind)
    return Contract.from_json(data)


def read_object(text: str, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadFile(f"{name} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise BadFile(f"{name} is not a JSON object.")
    return data


def describe(verdict: Verdict) -> str:
    """The verdict as a person reads it in a terminal."""
    rung = f" at {verdict.stage}" if verdict.stage else ""
    detail = verdict.kind or verdict.reason
    lines = [f"{str(verdict.outcome).upper()}{rung}" + (f": {detail}" if detail else "")]
    lines += ["", verdict.message]
    if verdict.traceback:
        lines += ["", verdict.traceback.rstrip()]
    if verdict.constants:
        lines += ["", f"Sizes used: {json.dumps(dict(verdict.constants))}"]
    lines += [f"Note: {note}" for note in verdict.notes]
    if verdict.parameter_mapping:
        lines += ["", "Parameters:"]
        lines += [
            f"  {row['candidate']} <- {row['how']} ({row['why']})"
            for row in verdict.parameter_mapping
        ]
    if verdict.probes:
        lines += [
            "",
            f"  {'probe':<44} {'tier':<10} {'outcome':<7} {'max abs':>10} {'max rel':>10}",
        ]
        lines += [
            f"  {p.name:<44} {p.tier:<10} {p.outcome:<7} {_number(p.max_abs_error)} "
            f"{_number(p.max_rel_error)}"
            for p in verdict.probes
        ]
    if verdict.strength is not None and verdict.strength.share is not None:
        lines += [
            "",
            f"Contract strength {verdict.strength.share:.0%}: rejects "
            f"{', '.join(verdict.strength.rejected) or 'nothing'}"
            + (
                f"; accepts {', '.join(verdict.strength.accepted)}"
                if verdict.strength.accepted
                else ""
            )
            + ".",
        ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return f"{value:>10.3g}" if value is not None else f"{'':>10}"
