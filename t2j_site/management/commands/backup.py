"""./t2j manage backup FILE: everything that people and machines made, in one file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from t2j_site.backup import BackupError, back_up


class Command(BaseCommand):
    help = (
        "Write database and releases to one file; the studio may run. The secret key is not in"
        " it: keep DATA/secret-key apart. The file holds password hashes and tokens: keep it safe."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to write; it must not exist")

    def handle(self, **options: Any) -> None:
        file: Path = options["file"]
        try:
            manifest = back_up(file)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{file}: {manifest.size / 1e6:.1f} MB, of {manifest.made_at}. The secret key is not in"
            f" it; keep it apart. Files of releases: {len(manifest.files)}."
        )
        if manifest.missing:
            self.stdout.write(
                "These files of releases are named by the database, but were not there:"
                f" {', '.join(manifest.missing)}."
            )
