"""Real verdicts, in the real sandbox, on every revision of the sample."""

import json

import pytest

from fixtures.sample import build, record

EXPECTED = json.loads(record.EXPECTED.read_text())
EXAMPLES = build.load()
BROKEN = ("import", "run")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.example_id)
def test_verdicts_are_as_recorded(example: build.Example) -> None:
    found = list(record.verdicts(example))
    assert [row for row, _, _ in found] == EXPECTED[example.example_id]
    for row, verdict, error in found:
        if row["stage"] in BROKEN and row["outcome"] == "fail":
            # The step quotes the exception that a person gets to see.
            assert error in f"{verdict['message']} {verdict['traceback']}"
