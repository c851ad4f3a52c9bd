"""Makes the database ready, in one process: each Django start costs half a second."""

import sys

import django
from django.core.management import CommandError, call_command


def main() -> None:
    django.setup()
    # To the log: only what a person should read goes to the terminal.
    try:
        call_command("migrate", interactive=False, stdout=sys.stderr)
        call_command("ensure_admin")
        call_command("load_prompts", stdout=sys.stderr)
        call_command("load_sample")
        call_command("load_experiment")
    except CommandError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
