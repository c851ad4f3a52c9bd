"""./t2j manage restore FILE: a backup into an empty studio."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from t2j_site.backup import BackupError, lost_keys, restore


class Command(BaseCommand):
    help = (
        "Put a backup into an empty studio, all of it or nothing. Put the old secret key in place"
        " first (DATA/secret-key or T2J_SECRET_KEY_FILE), else stored keys of providers are lost."
    )
    # The database may be empty: nothing can be checked in it yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that `backup` wrote")
        parser.add_argument(
            "--replace", action="store_true", help="delete everything that is there before"
        )

    def handle(self, **options: Any) -> None:
        file: Path = options["file"]
        try:
            manifest = restore(file, replace=options["replace"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored {file}, of {manifest.made_at}. Everyone signs in again.")
        if lost := lost_keys():
            self.stdout.write(
                "These language models' keys were stored under another secret key; enter them"
                f" again in the admin pages: {', '.join(lost)}."
            )
