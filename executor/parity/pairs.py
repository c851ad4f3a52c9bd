"""Verify many pairs: rows of a JSONL file, several at a time, resumable."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.parity import engine
from executor.parity.cache import ReferenceCache
from executor.parity.outcome import Reason, Verdict, undecided
from executor.sandbox import SandboxUnavailable

ID_KEYS = ("kb_id", "id")


class PairsError(ValueError):
    """The file cannot be read. The text names the file and the line."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: its id and both snippets, or the `problem` for which it cannot be verified."""

    id: str
    reference: str = ""
    candidate: str = ""
    problem: str = ""


def read_pairs(path: Path) -> list[Pair]:
    """Every row of a JSONL file with `pytorch_code` and `jax_code`.

    The id is `kb_id`, `id` or the row's number. A row that cannot be used becomes a pair with a
    `problem`; the rest goes on. Raises PairsError when the file cannot be read, or no row can.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PairsError(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PairsError(f"{path}: not UTF-8 (byte {error.start}).") from error
    pairs = [
        _pair(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    problems = [pair.problem for pair in pairs if pair.problem]
    if pairs and len(problems) == len(pairs):
        raise PairsError(problems[0])
    return _apart(path, pairs)


def _apart(path: Path, pairs: Sequence[Pair]) -> list[Pair]:
    """Every later row that bears an earlier row's id gets one of its own, and a problem."""
    seen: Counter[str] = Counter()
    found = []
    for pair in pairs:
        seen[pair.id] += 1
        count = seen[pair.id]
        again = f"{path}: the id {pair.id!r} stands in more than one row."
        found.append(pair if count == 1 else Pair(f"{pair.id} ({count})", problem=again))
    return found


def _pair(path: Path, number: int, line: str) -> Pair:
    try:
        row = json.loads(line)
    except ValueError as error:
        return Pair(str(number), problem=f"{path}, line {number}: not JSON ({error}).")
    codes = [row.get(key) if isinstance(row, dict) else None for key in CODE_KEYS]
    known = row if isinstance(row, dict) else {}
    name = next((known[key] for key in ID_KEYS if key in known), number)
    if not all(isinstance(code, str) for code in codes):
        needs = f"{path}, line {number}: needs the texts {' and '.join(CODE_KEYS)}."
        return Pair(str(name), problem=needs)
    return Pair(str(name), str(codes[0]), str(codes[1]))


CODE_KEYS = ("pytorch_code", "jax_code")


def done_ids(path: Path) -> set[str]:
    """Ids whose verdicts a results file holds; a half-written last line does not count."""
    if not path.exists():
        return set()
    found = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.add(str(json.loads(line)["id"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def verify_pairs(
    pairs: Sequence[Pair],
    *,
    runtime: str,
    jobs: int,
    cache: ReferenceCache | None,
    verify: Callable[..., Verdict] = engine.verify,
) -> Iterator[tuple[Pair, Verdict]]:
    """Each pair with its verdict, as they come in."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        waiting = {
            pool.submit(_judge, pair, verify, runtime=runtime, cache=cache): pair for pair in pairs
        }
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _judge(pair: Pair, verify: Callable[..., Verdict], **options: Any) -> Verdict:
    """The verdict on one row; what breaks on our side costs this row only."""
    if pair.problem:
        return undecided(Reason.BAD_INPUT, pair.problem)
    try:
        return verify(pair.reference, pair.candidate, **options)
    except SandboxUnavailable:
        raise
    except Exception as error:
        return undecided(
            Reason.INFRASTRUCTURE, f"The verifier itself broke ({type(error).__name__}): {error}"
        )


def line_of(pair: Pair, verdict: Verdict) -> str:
    """One line of a results file."""
    return json.dumps({"id": pair.id, **verdict.to_json()}, allow_nan=False) + "\n"


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Outcomes, and kinds and reasons, counted; the most frequent first."""
    rows = list(results)
    outcomes = Counter(str(row["outcome"]) for row in rows)
    details = Counter(
        (str(row["outcome"]), str(row["stage"] or ""), str(row["kind"] or row["reason"] or ""))
        for row in rows
    )
    lines = [f"{len(rows)} pairs"]
    lines += [f"  {name:<10} {count:>5}" for name, count in outcomes.most_common()]
    lines += ["", f"  {'outcome':<10} {'stage':<11} {'kind or reason':<28} {'rows':>5}"]
    lines += [
        f"  {outcome:<10} {stage:<11} {detail:<28} {count:>5}"
        for (outcome, stage, detail), count in details.most_common()
    ]
    return "\n".join(lines)


def read_results(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a results file, the last one of each id."""
    found: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "id" in row:
            found[str(row["id"])] = row
    return list(found.values())
