"""A setting from the environment, or from the file that NAME_FILE names. Standard library only."""

import os
from pathlib import Path


class BadFile(ValueError):
    """A NAME_FILE that cannot be read; the text is for a person."""


def given(name: str) -> str:
    """The text of the file that `name`_FILE names, else the value of `name`, else "".

    Files are how containers and service managers hand over secrets: unlike variables they are not
    seen in lists of processes.

    Raises:
        BadFile: the file is not there or not readable.
    """
    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        return os.environ.get(name, "")
    path = Path(file)
    if not path.is_file():
        raise BadFile(f"{name}_FILE names {path}, which is not a file.")
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{name}_FILE names {path}, which cannot be read: {error}.") from error
