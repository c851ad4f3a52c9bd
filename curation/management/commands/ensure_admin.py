"""./t2j manage ensure_admin: a first account."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction


class Command(BaseCommand):
    help = "Make the account “admin” when it is missing, with a random password kept in a file."

    def handle(self, **options: Any) -> None:
        path = settings.T2J_DATA / "admin-password"
        if User.objects.filter(username="admin").exists():
            kept = f"its first password is in {path}" if path.is_file() else "its password is kept"
            self.stdout.write(f"Account admin is there; {kept}.")
            return
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            User.objects.create_superuser("admin", password=password)
            _keep(path, password)
        self.stdout.write(f"Account admin was made; its password is in {path}.")


def _keep(path: Path, password: str) -> None:
    """Write the password so that only this user can read it, whatever the umask.

    Raises:
        CommandError: the file cannot be written; no account is made then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{password}\n")
    except OSError as error:
        raise CommandError(
            f"The password could not be written to {path}: {error.strerror}."
        ) from error
