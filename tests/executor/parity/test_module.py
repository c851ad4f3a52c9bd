"""Whole verdicts on modules, in the real sandbox: the ladder, sizes, pins, probes, strength."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from executor import sandbox
from executor.parity.cache import DiskCache
from executor.parity.contract import Contract
from executor.parity.engine import verify
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict
from executor.sandbox.job import Job, JobResult

REFERENCE = """\
import torch
import torch.nn as nn

rows = 3
width = 4


class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x):
        return torch.tanh(self.fc(x))


def get_inputs():
    return [torch.rand(rows, width)]


def get_init_inputs():
    return [width]
"""
CANDIDATE = """\
import flax.linen as nn
import jax
import jax.numpy as jnp

rows = 3
width = 4


class Model(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return jnp.tanh(nn.Dense(self.width)(x))


def get_inputs():
    return [jax.random.uniform(jax.random.PRNGKey(0), (rows, width))]
"""
PLAIN = """\
import jax
import jax.numpy as jnp


class Model:
    def __init__(self, width):
        self.w = jax.random.normal(jax.random.PRNGKey(0), (width, width))
        self.b = jnp.zeros(width)

    def __call__(self, x):
        return jnp.tanh(x @ self.w + self.b)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("references"))


def decided(candidate: str, cache: DiskCache, reference: str = REFERENCE, **fields: Any) -> Verdict:
    contract = Contract(**fields) if fields else None
    return verify(reference, candidate, contract=contract, cache=cache)


def test_a_right_translation_passes_with_all_its_evidence(cache: DiskCache) -> None:
    verdict = decided(CANDIDATE, cache)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert verdict.stage is Stage.BEHAVIORAL
    names = {probe.name for probe in verdict.probes}
    assert {
        "get_inputs",
        "parameter tree",
        "output(declared)",
        "output(fresh)",
        "output(signed)",
        "output(small)",
        "loss",
        "gradient params/Dense_0/kernel",
        "gradient input[0]",
        "loss curve",
        "trained params/Dense_0/bias",
    } <= names
    assert verdict.strength is not None
    assert "transposed fc.weight" in verdict.strength.rejected
    how = {row["candidate"]: row["how"] for row in verdict.parameter_mapping}
    assert how["params/Dense_0/kernel"] == "fc.weight transposed"
    data = verdict.to_json()
    assert data["runtime"]["candidate"]["jax"]
    assert data["contract"]["kind"] == "module"


def test_the_same_verdict_twice_but_for_times(cache: DiskCache) -> None:
    first, second = (decided(CANDIDATE, cache).to_json() for _ in range(2))
    times: dict[str, object] = {"seconds": None, "timings": None}
    assert first | times == second | times


@pytest.mark.parametrize(
    ("change", "rung", "line"),
    [
        (("def __call__(self, x):", "def __call__(self, x)"), (Stage.PARSE, Kind.SYNTAX_ERROR), 13),
        (("import jax\n", "import jax\nimport torch\n"), (Stage.IMPORT, Kind.IMPORT_ERROR), 3),
        (("import jax\n", "from jax import nope\n"), (Stage.IMPORT, Kind.IMPORT_ERROR), 2),
        (("jnp.tanh(", "jnp.tahn("), (Stage.RUN, Kind.RUNTIME_ERROR), 14),
        (("jax.random.uniform(", "jnp.random.rand("), (Stage.RUN, Kind.RUNTIME_ERROR), 18),
        (("(rows, width))", "(width, rows))"), (Stage.SPEC, Kind.SHAPE_MISMATCH), None),
        (("(self.width)(x)", "(self.width)(x)[None]"), (Stage.SPEC, Kind.SHAPE_MISMATCH), None),
        (("(x))", "(x)).astype(jnp.float16)"), (Stage.SPEC, Kind.DTYPE_MISMATCH), None),
        (
            ("self.width)(x)", "self.width, use_bias=False)(x)"),
            (Stage.SPEC, Kind.PARAMETER_TREE_MISMATCH),
            None,
        ),
        (("jnp.tanh(", "jnp.sin("), (Stage.NUMERIC, Kind.VALUE_MISMATCH), None),
        (("jnp.tanh(", "jnp.log(-1 + 0*"), (Stage.NUMERIC, Kind.NON_FINITE), None),
        (
            (
                "jnp.tanh(nn.Dense(self.width)(x))",
                "jax.lax.stop_gradient(jnp.tanh(nn.Dense(self.width)(x)))",
            ),
            (Stage.NUMERIC, Kind.GRADIENT_MISMATCH),
            None,
        ),
    ],
)
def test_the_first_broken_rung_is_named(
    cache: DiskCache, change: tuple[str, str], rung: tuple[Stage, Kind], line: int | None
) -> None:
    verdict = decided(CANDIDATE.replace(*change), cache)
    assert verdict.outcome is Outcome.FAIL, verdict.message
    assert (verdict.stage, verdict.kind) == rung, verdict.message
    assert verdict.error_line == line
    if line is not None and rung[0] is not Stage.PARSE:
        assert f'File "candidate.py", line {line}' in verdict.traceback
        assert "harness" not in verdict.traceback


def test_an_unknown_package_is_not_the_candidates_fault(cache: DiskCache) -> None:
    verdict = decided("import rare_package\n" + CANDIDATE, cache)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.MISSING_PACKAGE)
    assert "rare_package" in verdict.message


def test_a_lone_square_matrix_is_undecided_until_pinned(cache: DiskCache) -> None:
    verdict = decided(PLAIN, cache)
    assert verdict.reason is Reason.AMBIGUOUS_MAPPING
    assert "fc.weight transposed" in verdict.message
    pinned = Contract.from_json({"pins": {"w": {"source": "fc.weight", "layout": "transposed"}}})
    assert verify(REFERENCE, PLAIN, contract=pinned, cache=cache).outcome is Outcome.PASS
    wrong = Contract.from_json({"pins": {"w": "fc.weight"}})
    assert verify(REFERENCE, PLAIN, contract=wrong, cache=cache).kind is Kind.VALUE_MISMATCH


def test_a_wrong_plain_program_fails_whichever_way_its_matrix_lies(cache: DiskCache) -> None:
    verdict = decided(PLAIN.replace("+ self.b", "- self.b"), cache)
    assert (verdict.outcome, verdict.kind) == (Outcome.FAIL, Kind.VALUE_MISMATCH)


def test_oversized_constants_are_shrunk_in_both(cache: DiskCache) -> None:
    sizes = ("rows = 3\nwidth = 4", "rows = 65536\nwidth = 16384")
    verdict = decided(CANDIDATE.replace(*sizes), cache, reference=REFERENCE.replace(*sizes))
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert set(verdict.constants) == {"rows", "width"}
    assert verdict.constants["rows"] < 65536
    assert any("sizes" in note for note in verdict.notes)


def test_constants_of_the_contract_win(cache: DiskCache) -> None:
    verdict = decided(CANDIDATE, cache, constants={"rows": 7, "width": 5})
    assert verdict.outcome is Outcome.PASS, verdict.message
    shapes = {probe.name: probe.shape for probe in verdict.probes}
    assert shapes["output(declared)"] == (7, 5)


def test_attached_inputs_replace_the_declared_ones(cache: DiskCache) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.full((2, 4), 0.25, np.float32))
    verdict = verify(
        REFERENCE,
        CANDIDATE.split("def get_inputs", maxsplit=1)[0],
        contract=Contract(inputs="mine.npz"),
        files={"mine.npz": buffer.getvalue()},
        cache=cache,
    )
    shapes = {probe.name: probe.shape for probe in verdict.probes}
    assert shapes["output(declared)"] == (2, 4)
    assert "output(fresh)" not in shapes


def test_the_contracts_own_probes_count(cache: DiskCache) -> None:
    fields = {"observe_reference": "observe('answer', torch.arange(3))"}
    right = decided(
        CANDIDATE, cache, **fields, observe_candidate="observe('answer', jnp.arange(3))"
    )
    assert right.outcome is Outcome.PASS, right.message
    assert "answer" in {probe.name for probe in right.probes}
    wrong = decided(CANDIDATE, cache, **fields, observe_candidate="observe('answer', jnp.ones(3))")
    assert wrong.outcome is Outcome.FAIL
    absent = decided(CANDIDATE, cache, **fields)
    assert absent.kind is Kind.MISSING_OUTPUT


def test_a_contract_that_compares_nothing_decides_nothing(cache: DiskCache) -> None:
    verdict = decided(CANDIDATE, cache, ignore=("*",))
    assert verdict.reason is Reason.NOTHING_COMPARED


CONSTANT = REFERENCE.replace("torch.tanh(self.fc(x))", "torch.ones(3) + 0 * self.fc(x).sum()")


def test_a_constant_reference_is_too_weak_to_pass(cache: DiskCache) -> None:
    candidate = CANDIDATE.replace(
        "jnp.tanh(nn.Dense(self.width)(x))", "jnp.ones(3) + 0 * nn.Dense(self.width)(x).sum()"
    )
    verdict = decided(candidate, cache, reference=CONSTANT)
    assert verdict.reason is Reason.CONTRACT_TOO_WEAK, verdict.message
    assert verdict.strength is not None
    assert "inputs ignored" in verdict.strength.accepted


@pytest.mark.parametrize(
    ("old", "new", "reason", "words"),
    [
        ("torch.tanh(", "torch.nope(", Reason.REFERENCE_FAILS, "line 14"),
        ("    return [width]", "    return []", Reason.REFERENCE_FAILS, "width"),
        ("torch.tanh(self.fc(x))", "'text'", Reason.NOTHING_COMPARED, "no tensor"),
        (
            "torch.tanh(self.fc(x))",
            "self.fc(x) * (1 + __import__('time').perf_counter_ns() % 1009)",
            Reason.REFERENCE_NOT_DETERMINISTIC,
            "seeded alike",
        ),
        ("import torch\n", "import torchvision\n", Reason.NEEDS_DATA, "torchvision"),
        ("import torch\n", "import rare_package\n", Reason.MISSING_PACKAGE, "rare_package"),
        ("rows = 3", "rows = open('rows.txt').read()", Reason.NEEDS_DATA, "rows.txt"),
        ("rows = 3", "print 3", Reason.REFERENCE_FAILS, "not Python 3"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(
    cache: DiskCache, old: str, new: str, reason: Reason, words: str
) -> None:
    verdict = decided(CANDIDATE, cache, reference=REFERENCE.replace(old, new, 1))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, reason), verdict.message
    assert words in verdict.message


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_file_is_said_to_be_empty(empty: str, cache: DiskCache) -> None:
    for pair in ((empty, CANDIDATE), (REFERENCE, empty)):
        verdict = verify(*pair, cache=cache)
        assert verdict.reason is Reason.BAD_INPUT
        assert "empty" in verdict.message


def test_a_reference_is_run_once(cache: DiskCache, tmp_path: Any) -> None:
    ran: list[str] = []

    def runner(job: Job) -> JobResult:
        ran.append(job.entry)
        return sandbox.run(job)

    own = DiskCache(tmp_path)
    for candidate in (CANDIDATE, CANDIDATE + "\n", CANDIDATE):
        assert verify(REFERENCE, candidate, cache=own, runner=runner).outcome is Outcome.PASS
    assert ran.count("reference_module") == 1
    assert ran.count("candidate_module") == 3


def test_the_candidates_box_sees_nothing_that_is_expected(cache: DiskCache) -> None:
    """Neither outputs nor gradients nor trained parameters are among its files."""
    seen: list[Job] = []

    def runner(job: Job) -> JobResult:
        seen.append(job)
        return sandbox.run(job)

    verify(REFERENCE, CANDIDATE, cache=cache, runner=runner)
    job = next(job for job in seen if job.entry == "candidate_module")
    assert set(job.files) == {"candidate.py", "job.json", "shared.npz"}
    from executor.harness.codec import unpack

    shared = unpack(job.files["shared.npz"])
    assert set(shared) == {
        "arguments",
        "inputs",
        "parameters",
        "buffers",
        "attributes",
        "lr",
        "draws",
        "frozen",
    }
    assert REFERENCE.encode() not in b"".join(job.files.values())


FUNCTIONS = "import torch\n\n\ndef smooth(x, k):\n    return torch.cumsum(x, 0) / k\n"
LINES = (
    "import numpy as np\n"
    "x = np.random.default_rng(0).normal(size=(4, 3)).astype('float32')\n"
    "observe('smooth', smooth({}(x), 2.0))\n"
)


@pytest.mark.parametrize(
    ("body", "outcome", "kind"),
    [
        ("jnp.cumsum(x, 0) / k", Outcome.PASS, None),
        ("jnp.cumsum(x, 1) / k", Outcome.FAIL, Kind.VALUE_MISMATCH),
        ("jnp.cumsum(x, 0)[1:] / k", Outcome.FAIL, Kind.SHAPE_MISMATCH),
        ("jnp.cumsums(x, 0) / k", Outcome.FAIL, Kind.RUNTIME_ERROR),
    ],
)
def test_functions_are_judged_by_what_is_observed(
    cache: DiskCache, body: str, outcome: Outcome, kind: Kind | None
) -> None:
    candidate = f"import jax.numpy as jnp\n\n\ndef smooth(x, k):\n    return {body}\n"
    contract = Contract.from_json(
        {
            "kind": "functions",
            "observe_reference": LINES.format("torch.from_numpy"),
            "observe_candidate": LINES.format("jnp.asarray"),
        }
    )
    verdict = verify(FUNCTIONS, candidate, contract=contract, cache=cache)
    assert (verdict.outcome, verdict.kind) == (outcome, kind), verdict.message
    if kind is Kind.RUNTIME_ERROR:
        assert verdict.error_line == 5
