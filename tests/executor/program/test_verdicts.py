"""Verdicts on small programs: where they break, what cannot be decided, what cannot be faked."""

from __future__ import annotations

import pytest

from executor.parity.cache import DiskCache
from executor.parity.contract import Contract, Shape
from executor.parity.engine import verify
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict

REFERENCE = """
import torch
torch.manual_seed(0)
x = torch.randn(6)
total = (x ** 2).sum()
print("start")
print(f"total: {total.item():.4f}")
"""
RIGHT = """
import jax
import jax.numpy as jnp
x = jax.random.normal(jax.random.PRNGKey(0), (6,))
total = (x ** 2).sum()
print("start")
print(f"total: {total:.4f}")
"""
# As XLA says it when a GPU is full.
OUT_OF_DEVICE_MEMORY = """
from jax.errors import JaxRuntimeError
raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4294967296 bytes.")
"""


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> DiskCache:
    return DiskCache(tmp_path_factory.mktemp("references"))


def judge(candidate: str, references: DiskCache, reference: str = REFERENCE) -> Verdict:
    contract = Contract(kind=Shape.PROGRAM, wall_s=60.0)
    return verify(reference, candidate, contract=contract, cache=references)


def test_right(references: DiskCache) -> None:
    verdict = judge(RIGHT, references)
    assert verdict.outcome is Outcome.PASS, verdict.message
    assert {probe.name for probe in verdict.probes} >= {"printed: total #", "variable: x"}
    assert verdict.stdout["reference"] == verdict.stdout["candidate"]


def test_a_traceback_shows_the_persons_code_only(references: DiskCache) -> None:
    verdict = judge(RIGHT.replace("(x ** 2).sum()", "jnp.summ(x ** 2)"), references)
    assert (verdict.outcome, verdict.stage, verdict.kind) == (
        Outcome.FAIL,
        Stage.RUN,
        Kind.RUNTIME_ERROR,
    )
    assert (verdict.exception_type, verdict.error_line) == ("AttributeError", 5)
    assert 'File "program.py", line 5' in verdict.traceback
    assert "harness" not in verdict.traceback


@pytest.mark.parametrize(
    ("candidate", "stage", "kind"),
    [
        ("print('a'\n", Stage.PARSE, Kind.SYNTAX_ERROR),
        ("import torch\n" + RIGHT, Stage.IMPORT, Kind.IMPORT_ERROR),
        ("from jax import nothing_like_it\n", Stage.IMPORT, Kind.IMPORT_ERROR),
        (RIGHT.replace("total: ", "sum: "), Stage.BEHAVIORAL, Kind.TEXT_MISMATCH),
        (RIGHT.replace('print("start")', ""), Stage.BEHAVIORAL, Kind.TEXT_MISMATCH),
        (RIGHT.replace("x ** 2", "x ** 3"), Stage.BEHAVIORAL, Kind.VALUE_MISMATCH),
        (RIGHT.replace("{total:.4f}", "{jnp.nan}"), Stage.BEHAVIORAL, Kind.NON_FINITE),
        (RIGHT.replace("{total:.4f}", "{jnp.zeros(()):.4f}"), Stage.BEHAVIORAL, None),
        (RIGHT.replace("jax.random.normal", "jax.random.uniform"), Stage.BEHAVIORAL, None),
        (RIGHT.replace("(6,)", "(7,)"), Stage.BEHAVIORAL, None),
        (RIGHT + "\nimport sys; sys.exit(3)\n", Stage.RUN, Kind.RUNTIME_ERROR),
        ("raise MemoryError\n", Stage.RUN, Kind.OUT_OF_MEMORY),
        (OUT_OF_DEVICE_MEMORY, Stage.RUN, Kind.OUT_OF_MEMORY),
    ],
)
def test_fails_at_the_right_rung(
    candidate: str, stage: Stage, kind: Kind | None, references: DiskCache
) -> None:
    verdict = judge(candidate, references)
    assert (verdict.outcome, verdict.stage) == (Outcome.FAIL, stage), verdict.message
    if kind is not None:
        assert verdict.kind is kind


@pytest.mark.parametrize(
    ("reference", "candidate", "reason"),
    [
        ("import torch\nprint(torch.zeros(2) + undefined)\n", RIGHT, Reason.REFERENCE_FAILS),
        ("import torch\n...\nprint(torch.zeros(2))\n", RIGHT, Reason.ELIDED),
        (REFERENCE, "import jax\n...\nprint(1.0)\n", Reason.ELIDED),
        (REFERENCE, "import no_such_package\n", Reason.MISSING_PACKAGE),
        (
            "import torchvision\nprint(torchvision.datasets.MNIST('.', download=True))\n",
            RIGHT,
            Reason.NEEDS_DATA,
        ),
        (
            "import urllib.request\nurllib.request.urlopen('http://example.org/data')\n",
            RIGHT,
            Reason.NEEDS_NETWORK,
        ),
        ("import pandas as pd\nprint(pd.read_csv('absent.csv'))\n", RIGHT, Reason.NEEDS_DATA),
        ("x = 3\nprint('hello', x)\n", "x = 3\nprint('hello', x)\n", Reason.CONTRACT_TOO_WEAK),
        (
            "import time\nprint('now', time.time() * 1.5)\n",
            "import time\nprint('now', time.time() * 1.5)\n",
            Reason.REFERENCE_NOT_DETERMINISTIC,
        ),
    ],
)
def test_undecided_says_why(
    reference: str, candidate: str, reason: Reason, references: DiskCache
) -> None:
    verdict = judge(candidate, references, reference)
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, reason), verdict.message
    assert verdict.message.endswith((".", ")"))


FORGERIES = {
    "prints a verdict": "print('PASS')\nprint('total: verified')",
    "leaves early": RIGHT.replace("total =", "import os; os._exit(0)\ntotal ="),
    "leaves early, politely": RIGHT.replace("total =", "raise SystemExit(0)\ntotal ="),
    "writes its own record": RIGHT.replace("x ** 2", "x ** 3")
    + """
import atexit, pathlib
def forge():
    for name in ("record.npz", "report.json", "verdict.json"):
        pathlib.Path("/work/out", name).write_bytes(b'{"outcome": "pass"}')
atexit.register(forge)
""",
    "results written into it": "print('start')\nprint('total: ' + bytes.fromhex('{hex}').decode())",
    "equal to everything": """
import builtins
class Any(float):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
x = total = Any(0.0)
print("start"); print(f"total: {total:.4f}")
""",
    "patches NumPy": "import numpy as np\nnp.array_equal = np.allclose = lambda *a, **k: True\n"
    + RIGHT.replace("x ** 2", "x ** 4"),
    "looks for the expected values": """
import gc, sys, os, jax
found = [o for o in gc.get_objects() if isinstance(o, dict) and "stdout" in o]
names = sorted(os.listdir("/work/in"))
frame = sys._getframe()
while frame: frame = frame.f_back
print("start"); print("total:", float(len(found)) + 0.25)
""",
    "reads the settings": """
import json
print("start"); print("total:", json.load(open("/work/in/settings.json")).get("expected", 0.5))
""",
    "prints nan": "print('start')\nprint('total: nan')",
    "prints every number": "print('start')\nprint('total:', *[i / 100 for i in range(1000)])",
    "prints it twice": RIGHT + "\nprint('total: 1.0000')",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_never_passes(name: str, references: DiskCache) -> None:
    verdict = judge(forged(name, references), references)
    assert verdict.outcome is not Outcome.PASS, verdict.message


def forged(name: str, references: DiskCache) -> str:
    shown = judge(RIGHT, references).stdout["reference"].split("total: ")[1].strip()
    return FORGERIES[name].replace("{hex}", shown.encode().hex())
