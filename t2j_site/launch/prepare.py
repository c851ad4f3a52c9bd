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
        load_sample()
    except CommandError as error:
        sys.exit(str(error))


def load_sample() -> None:
    """Load the sample dataset and its experiment, where they are not loaded as they lie on disk."""
    from scoring.experiments import loaded  # Django must be set up

    if loaded.is_current():
        return
    call_command("load_sample")
    call_command("load_experiment")
    loaded.remember()


if __name__ == "__main__":
    main()
