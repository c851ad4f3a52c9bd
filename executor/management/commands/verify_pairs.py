"""Verify every row of a JSONL file with `pytorch_code` and `jax_code`.

With --out, verdicts are appended as they come in; a second start goes on where the first ended.
"""

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from executor.parity import pairs
from executor.parity.cache import DiskCache
from executor.sandbox import SandboxUnavailable


class Command(BaseCommand):
    help = __doc__
    needs_services = False
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--limit", type=int, help="only the first N rows")
        parser.add_argument("--only", help="only the rows with these ids, comma-separated")
        parser.add_argument("--out", type=Path, help="append verdicts to this JSONL file")
        parser.add_argument("--runtime", default="jax", help="runtime of the candidates")
        parser.add_argument("--jobs", type=int, default=2, help="pairs verified at a time")
        parser.add_argument("--cache", type=Path, help="keep the references' recorded runs here")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = choose(pairs.read_pairs(options["file"]), options)
            self._verify(chosen, options)
        except (pairs.PairsError, SandboxUnavailable) as error:
            raise CommandError(str(error), returncode=2) from error

    def _verify(self, chosen: list[pairs.Pair], options: dict[str, Any]) -> None:
        out: Path | None = options["out"]
        done = pairs.done_ids(out) if out else set()
        waiting = [pair for pair in chosen if pair.id not in done]
        if done:
            self.stderr.write(f"{len(chosen) - len(waiting)} rows are done already.")
        cache = DiskCache(options["cache"]) if options["cache"] else None
        started = time.monotonic()
        results = []
        stream = out.open("a", encoding="utf-8") if out else None
        with tqdm(total=len(waiting), unit="pair", dynamic_ncols=True, file=sys.stderr) as bar:
            for pair, verdict in pairs.verify_pairs(
                waiting, runtime=options["runtime"], jobs=max(options["jobs"], 1), cache=cache
            ):
                results.append({"id": pair.id, **verdict.to_json()})
                if stream is not None:
                    stream.write(pairs.line_of(pair, verdict))
                    stream.flush()
                bar.set_postfix_str(f"{pair.id} {verdict.outcome}")
                bar.update()
        if stream is not None:
            stream.close()
        names = {pair.id for pair in chosen}
        shown = [r for r in pairs.read_results(out) if r["id"] in names] if out else results
        self.stdout.write(pairs.table(shown))
        self.stdout.write(f"{time.monotonic() - started:.0f} s")


def choose(rows: list[pairs.Pair], options: dict[str, Any]) -> list[pairs.Pair]:
    """The rows asked for. Raises PairsError for an id that is not there."""
    if options["only"]:
        wanted = [each.strip() for each in options["only"].split(",") if each.strip()]
        by_id = {pair.id: pair for pair in rows}
        absent = [name for name in wanted if name not in by_id]
        if absent:
            raise pairs.PairsError(f"{options['file']}: no row has the id {absent[0]!r}.")
        rows = [by_id[name] for name in wanted]
    return rows[: options["limit"]] if options["limit"] else rows
