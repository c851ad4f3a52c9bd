"""Runs all hostile programs, or the selftest, as whoever starts it; prints JSON.

Only the standard library: `test_users.py` starts it as an ordinary user.
"""

import json
import sys
from dataclasses import astuple
from pathlib import Path

PROJECT = Path(__file__).parents[3]
sys.path.insert(0, str(PROJECT))

from executor import sandbox  # noqa: E402
from tests.executor.sandbox.expected import PROGRAMS, Ended, Expected  # noqa: E402


def main() -> None:
    """Prints {program: [end, exit code, signal, stdout, stderr, files, detail, isolation]}."""
    if "selftest" in sys.argv:
        print(json.dumps(sandbox.selftest().to_json()))
        return
    told = {}
    for path in PROGRAMS:
        text = path.read_text()
        expected = Expected.read(text)
        job = expected.job(text)
        expected.fill_cache(job)
        result = sandbox.run(job)
        expected.check_cache(job)
        told[path.stem] = [*astuple(Ended.of(result)), result.isolation]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
