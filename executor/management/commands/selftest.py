"""Let the sandbox try itself: network, host files, other processes, limits."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from executor.sandbox.selftest import SelfTest, selftest


class Command(BaseCommand):
    help = __doc__
    needs_services = False
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        result = selftest()
        if options["json"]:
            self.stdout.write(json.dumps(result.to_json(), indent=2))
        else:
            self.stdout.write(as_text(result))
        if not result.held:
            raise CommandError(result.why or "The sandbox does not hold (see above).")


def as_text(result: SelfTest) -> str:
    rows = [
        f"  {'held' if probe.held else 'BROKEN':6}  {probe.name:16} {probe.asks}"
        + ("" if probe.held else f"\n          saw: {probe.saw}")
        for probe in result.probes
    ]
    return "\n".join([f"Isolation: {result.level} ({result.kernel})", *rows])
