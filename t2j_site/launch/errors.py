"""The one exception of the launcher."""


class LaunchError(Exception):
    """A sentence for the person at the terminal: what happened and what to do; exit code 1."""
