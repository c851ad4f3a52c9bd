"""./t2j manage import_dataset PATH... --dataset SLUG"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_slug
from django.db import OperationalError

from curation.importers import snapshots
from curation.importers.base import Options
from curation.importers.code_rows import MOST_SAMPLE
from curation.importers.source import find_sources
from curation.models import Dataset
from curation.services.imports import import_files


class Command(BaseCommand):
    help = (
        "Import files, folders and zips into a dataset: T2J JSON, notebooks, PyTorch/JAX pairs, "
        "model outputs, rows of code (JSONL, Parquet) and Python files, told apart by content."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--dataset", required=True, metavar="SLUG", help="made if it is new")
        parser.add_argument("--title", default="", help="title of a new dataset")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        rows = parser.add_argument_group("rows of code")
        rows.add_argument("--sample", type=_count, metavar="N", help="draw N of the fitting rows")
        rows.add_argument("--seed", type=int, default=0, metavar="S", help="of the draw (0)")
        rows.add_argument(
            "--any-licence",
            action="store_true",
            help="take rows whose licence is not known to allow passing them on, too",
        )

    def handle(self, **options: Any) -> None:
        slug = options["dataset"]
        if any(path.is_file() and snapshots.recognises(path) for path in options["paths"]):
            self._restore(slug, options)
            return
        try:
            dataset = _dataset(slug, options["title"])
            report = import_files(
                dataset,
                find_sources(options["paths"]),
                by=None,
                dry_run=options["dry_run"],
                options=Options(options["sample"], options["seed"], options["any_licence"]),
                progress=_Bar() if sys.stderr.isatty() and not options["json"] else None,
            )
        except OperationalError as error:
            raise CommandError(
                f"The database could not store more: {str(error).splitlines()[0]} What was "
                "imported until then is kept; run the same command again afterwards."
            ) from error
        if report.files == 0:
            raise CommandError("There is no file to import in what was given.")
        if options["json"]:
            self.stdout.write(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
        else:
            for note in report.notes:
                self.stdout.write(str(note))
            if report.notes_left_out:
                self.stdout.write(f"... and {report.notes_left_out} more notes.")
            self.stdout.write(f"{slug}: {report.summary()}")
        if not report.complete:
            sys.exit(1)

    def _restore(self, slug: str, options: dict[str, Any]) -> None:
        """A snapshot of a whole dataset, into a new or empty one."""
        path, *others = options["paths"]
        if others:
            raise CommandError("A snapshot is a whole dataset: give it alone.")
        try:
            restored = snapshots.restore(path, slug, by=None, dry_run=options["dry_run"])
        except snapshots.SnapshotRefused as refused:
            raise CommandError(f"{path}: {refused}") from refused
        if options["json"]:
            self.stdout.write(json.dumps(asdict(restored), indent=2, ensure_ascii=False))
            return
        for line in restored.lines():
            self.stdout.write(line)


def _count(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if not 1 <= number <= MOST_SAMPLE:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 to {MOST_SAMPLE}")
    return number


def _dataset(slug: str, title: str) -> Dataset:
    """The dataset, or a new one that is not stored yet."""
    dataset = Dataset.objects.filter(slug=slug).first()
    if dataset is not None:
        return dataset
    try:
        validate_slug(slug)
    except ValidationError:
        slug_is_fine = False
    else:
        slug_is_fine = len(slug) <= 64
    if not slug_is_fine:
        raise CommandError(
            f"“{slug}” cannot name a dataset: use up to 64 letters, digits, hyphens, underscores."
        )
    if len(title) > 200:
        raise CommandError("The title is longer than 200 characters.")
    return Dataset(slug=slug, title=title or slug)


class _Bar:
    """One line on the terminal that grows with the bytes read of a file."""

    def __init__(self) -> None:
        self._shown = ("", -1)

    def __call__(self, file: str, done: int, total: int) -> None:
        percent = 100 * min(done, total) // max(total, 1)
        if self._shown == (file, percent):
            return
        start = "\n" if self._shown[0] not in ("", file) else "\r"
        end = "\n" if percent == 100 and total else ""
        self._shown = ("" if end else file, percent)
        filled = 24 * percent // 100
        name = Path(file).name[:40]
        bar = f"{start}{name} [{'#' * filled}{'.' * (24 - filled)}] {percent}%"
        print(bar, end=end, file=sys.stderr, flush=True)
