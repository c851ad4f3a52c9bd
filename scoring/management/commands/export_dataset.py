"""./t2j manage export_dataset SLUG --format t2j --out DIR"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.exporters import (
    BY_PROBLEM,
    FORMATS,
    CannotWrite,
    ExportRefused,
    Only,
    Options,
    make,
    write,
)
from scoring.management.commands.statistics import find_dataset

ONLY = (
    "verified (usual): steps replay and the newest revision passes; approved: a second person "
    "approved it, too; all: everything, which the files then say of themselves"
)


class Command(BaseCommand):
    help = "Write a dataset's files into a folder, and say what was left out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--format", choices=sorted(FORMATS), default="t2j")
        parser.add_argument("--only", choices=[each.value for each in Only], help=ONLY)
        parser.add_argument(
            "--leave-one-out",
            action="store_true",
            help="t2j: a file for each example, with all the others",
        )
        parser.add_argument(
            "--split",
            choices=[BY_PROBLEM],
            default="",
            help="train, validation and test files; near-duplicates stay together",
        )
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, **options: Any) -> None:
        dataset = find_dataset(options["slug"])
        try:
            export = make(options["format"], dataset, Options.of(options))
            paths = write(export, options["out"])
        except (CannotWrite, ExportRefused) as error:
            raise CommandError(str(error)) from error
        for path in paths:
            self.stdout.write(str(path))
        for line in export.tally.lines():
            self.stdout.write(line)
