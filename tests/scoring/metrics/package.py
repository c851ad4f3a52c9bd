"""The `codebleu` package, asked in a process of its own: its values depend on the hash seed."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMES = ("ngram", "weighted_ngram", "syntax", "dataflow")


def package_values(pairs: list[tuple[str, str]], seed: int) -> list[list[float]]:
    """The four components of each (reference, candidate) under PYTHONHASHSEED `seed`."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(pairs),
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[float]] = json.loads(done.stdout)
    return found


def main() -> None:
    from codebleu import calc_codebleu

    logging.disable(logging.WARNING)
    keys = [f"{name}_match_score" for name in NAMES]
    rows = []
    for reference, candidate in json.load(sys.stdin):
        found = calc_codebleu([[reference]], [candidate], "python")
        rows.append([found[key] for key in keys])
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
