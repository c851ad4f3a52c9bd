"""Programs that cannot run are told from their text."""

import pytest

from curation.importers.runnable import why_not_runnable


@pytest.mark.parametrize(
    "code",
    [
        "import torch\n# Train the model...\nprint(torch.ones(2)[..., 0])\n",
        "class E(Exception): ...\n",
        "from typing import Protocol\nclass P(Protocol):\n    def f(self) -> int: ...\n",
        "from abc import abstractmethod\nclass A:\n    @abstractmethod\n    def f(self): ...\n",
        "# the bias is omitted here since batch norm follows\nx = 1\n",
        "try:\n    import numpy\nexcept ImportError: ...\n",
        "print('# ... (omitted)')\n",
    ],
)
def test_programs_that_may_run(code: str) -> None:
    assert why_not_runnable(code) == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "The program is empty."),
        ("x = 1\n# ... (Data Gen) ...\n", "Code was left out at line 2: # ... (Data Gen) ..."),
        ("# (data generation as before)\nx = 1\n", "Code was left out at line 1: # (data gen"),
        ("# imports omitted\nx = 1\n", "Code was left out at line 1: # imports omitted"),
        ("# rest of the code unchanged\n", "Code was left out at line 1: # rest of the code"),
        ("x = 1\n...\n", "Code was left out at line 2: a bare “...”."),
        ("def f(x):\n    ...\n", "Code was left out at line 2: a bare “...”."),
        ("x = 1\nprint(x\n", "The program does not parse: line 2: '(' was never closed."),
        ("x = " + "-" * 100_000 + "1", "The program does not parse: it is nested too deeply."),
    ],
)
def test_programs_that_cannot_run(code: str, reason: str) -> None:
    assert why_not_runnable(code).startswith(reason)
