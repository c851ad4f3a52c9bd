"""Install a runtime: the virtual environment that one side of a pair runs in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from executor import runtimes
from t2j_site.launch import install
from t2j_site.launch.errors import LaunchError


class Command(BaseCommand):
    help = __doc__
    needs_services = False
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help=f"one of {', '.join(runtimes.names())}")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            install.ensure([install.runtime_target(options["name"])])
        except LaunchError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Runtime {options['name']} is installed and current.")
