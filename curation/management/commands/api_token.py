"""Make, list and revoke tokens of the API."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.services.tokens import TokenRefused, make_token, revoke_token


class Command(BaseCommand):
    help = "Make a token of the API for a person, list a person's tokens, or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--name", help="make one for this use, and print it")
        what.add_argument("--list", action="store_true", help="list them")
        what.add_argument("--revoke", type=int, metavar="ID", help="revoke one")
        parser.add_argument("--days", type=int, help="how long it is good for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account “{options['username']}”.")
        if options["list"]:
            self._list(user)
        elif options["revoke"] is not None:
            self._revoke(user, options["revoke"])
        else:
            self._make(user, options["name"], options["days"])

    def _make(self, user: User, name: str, days: int | None) -> None:
        if days is not None and not 1 <= days <= 3650:
            raise CommandError("--days takes 1 to 3650.")
        try:
            _, text = make_token(user, name=name[:100], days=days, by=None)
        except TokenRefused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(text)

    def _list(self, user: User) -> None:
        for token in user.api_tokens.all():
            used = f"{token.used_at:%Y-%m-%d %H:%M}" if token.used_at else "never"
            self.stdout.write(f"{token.pk}\t{token}\tlast used: {used}")

    def _revoke(self, user: User, pk: int) -> None:
        token = user.api_tokens.filter(pk=pk).first()
        if token is None:
            raise CommandError(f"{user} has no token {pk}. --list shows them.")
        revoke_token(token, by=None)
        self.stdout.write(f"{token.name} is revoked.")
