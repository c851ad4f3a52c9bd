"""Fixed examples from a file that a person names."""

from pathlib import Path
from typing import Any

from curation.importers.base import Content, NotThisFormat
from curation.importers.source import PathSource, Unreadable
from curation.importers.t2j_json import T2JJson
from curation.records import Record
from scoring.exporters.t2j import to_json

LARGEST = 64 * 1024 * 1024


class NoContext(Exception):
    """Why a file holds no context; the text is for the person who named it."""


def read(path: Path) -> tuple[dict[str, Any], ...]:
    """The examples with fix steps of a fixed-bug JSON file, in the shape of our own export.

    Raises:
        NoContext: it cannot be read, or holds none.
    """
    if not path.is_file():
        raise NoContext(f"--context: there is no file {path}; or say loo or all.")
    try:
        text = PathSource(path, path.name).read(LARGEST).decode("utf-8-sig")
        items = list(T2JJson().read(Content(path.name, text)))
    except (Unreadable, NotThisFormat) as error:
        raise NoContext(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise NoContext(f"{path} is not UTF-8: byte {error.start}.") from None
    found = tuple(to_json(item) for item in items if isinstance(item, Record) and item.steps)
    if not found:
        raise NoContext(f"{path} holds no example with fix steps.")
    return found
