"""./t2j manage worker_alive: for the health checks of containers."""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from executor import fleet


class Command(BaseCommand):
    help = "Fail unless a worker of this host said within half a minute that it lives."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        mine = fleet.living().filter(name__startswith=f"{socket.gethostname()}:")
        if not mine.exists():
            raise CommandError(f"No worker of {socket.gethostname()} says that it lives.")
        self.stdout.write("alive")
