"""CodeBLEU over 2,000 pairs: ours in one batch against the `codebleu` package called in a loop.

    .venv/bin/python benchmarks/codebleu_batch.py [PAIRS]

The pairs are every two programs of one case of fixtures/parity. Prints both times and on how many
pairs the four components are the same number. Where they are not, the package is asked again
under other hash seeds: where it contradicts itself, no number of its own is right.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from itertools import islice, permutations
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scoring.metrics.codebleu import Components, codebleu_batch  # noqa: E402

Pair = tuple[str, str]


def pairs_of(count: int) -> list[Pair]:
    """Ordered pairs of different programs of one case."""
    cases = sorted((ROOT / "fixtures" / "parity" / "cases").iterdir())
    texts = [[file.read_text() for file in sorted(case.glob("*.py"))] for case in cases]
    return list(islice((pair for case in texts for pair in permutations(case, 2)), count))


def by_package(pairs: list[Pair]) -> list[list[float]]:
    from codebleu import calc_codebleu

    logging.disable(logging.WARNING)
    names = ("ngram_match", "weighted_ngram_match", "syntax_match", "dataflow_match")
    found = (calc_codebleu([[ref]], [candidate], "python") for ref, candidate in pairs)
    return [[each[f"{name}_score"] for name in names] for each in found]


def ours_as_list(found: Components) -> list[float]:
    return [found.ngram, found.weighted_ngram, found.syntax, found.dataflow or 0]


def under_seed(pairs: list[Pair], seed: int) -> list[list[float]]:
    """The package's values in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--package"],
        input=json.dumps(pairs),
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    values: list[list[float]] = json.loads(done.stdout)
    return values


def main(count: int) -> int:
    pairs = pairs_of(count)
    began = time.perf_counter()
    ours = [ours_as_list(each) for each in codebleu_batch(pairs)]
    batch = time.perf_counter() - began
    began = time.perf_counter()
    theirs = by_package(pairs)
    loop = time.perf_counter() - began
    differing = [at for at in range(len(pairs)) if ours[at] != theirs[at]]
    print(f"{len(pairs)} pairs of {len({ref for ref, _ in pairs})} references")
    print(f"ours {batch:.1f} s, package in a loop {loop:.1f} s: {loop / batch:.1f} times faster")
    print(f"{len(pairs) - len(differing)} pairs equal in all four components")
    if not differing:
        return 0
    seeds = [under_seed([pairs[at] for at in differing], seed) for seed in range(6)]
    steady = [
        at
        for at, *values in zip(differing, *seeds, strict=True)
        if len({tuple(each) for each in values}) == 1
    ]
    print(f"{len(differing)} differ; of these the package agrees with itself on {len(steady)}")
    return 1 if steady else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--package"]:
        print(json.dumps(by_package([(a, b) for a, b in json.load(sys.stdin)])))
        sys.exit(0)
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
