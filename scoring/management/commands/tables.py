"""./t2j manage tables EXPERIMENT --out DIR"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.experiments.terminal import find_experiment
from scoring.exporters.base import CannotWrite, Export, ExportFile, Tally, write
from scoring.tables import build_all
from scoring.tables.base import Table
from scoring.tables.render import FORMATS


class Command(BaseCommand):
    help = (
        "Write Tables 2, 3, 4, 5 and 9 of an experiment, and those beside them, as CSV, JSON, "
        "Markdown and LaTeX. The numbers are the page's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("experiment", metavar="EXPERIMENT")
        parser.add_argument("--out", required=True, type=Path, metavar="DIR")

    def handle(self, **options: Any) -> None:
        experiment = find_experiment(options["experiment"])
        files = tuple(file for table in build_all(experiment) for file in files_of(table))
        try:
            written = write(Export(files, Tally()), options["out"])
        except CannotWrite as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{len(written)} files in {options['out']}.")


def files_of(table: Table) -> list[ExportFile]:
    """The table in every format."""
    return [
        ExportFile(
            f"{table.name}.{ending}",
            media_type,
            partial(_read, render, table),
        )
        for ending, (media_type, render) in FORMATS.items()
    ]


def _read(render: Callable[[Table], str], table: Table) -> Iterator[bytes]:
    yield render(table).encode()
