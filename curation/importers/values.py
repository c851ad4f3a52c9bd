"""Values of records: which texts can be stored, and how sentences name them."""

from typing import Any

# What the database's columns hold.
LONGEST = {"example_id": 200, "title": 300, "licence": 100, "model": 200}
# More than any program, error or answer that a person could mend.
MOST_CHARACTERS = 2_000_000
# Trees of longer programs take hundreds of megabytes.
MOST_PARSED = 500_000
TYPE_NAMES = {dict: "an object", list: "a list", bool: "true or false", int: "a number"}


class Refused(Exception):
    """A record that cannot be taken, because of one of its fields."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def as_text(key: str, value: Any, longest: int = MOST_CHARACTERS) -> str:
    """The value as text that can be stored; nothing is an empty one.

    Raises:
        Refused: it is none.
    """
    if value is None:
        return ""
    if plain(key).endswith("id") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Refused(key, f"It is {type_name(value)}, not text.")
    if len(value) > longest:
        raise Refused(key, f"It is longer than {longest:,} characters.")
    if "\0" in value:
        raise Refused(key, "It holds a NUL character, which no database text can. Remove it.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        code = f"U+{ord(value[error.start]):04X}"
        raise Refused(key, f"It holds half a character ({code}). Replace it.") from None
    return value


def plain(key: str) -> str:
    """A key without regard to case and separators."""
    return key.strip().lower().replace(" ", "_").replace("-", "_")


def type_name(value: Any) -> str:
    return TYPE_NAMES.get(dict if isinstance(value, dict) else type(value), _scalar_name(value))


def _scalar_name(value: Any) -> str:
    return "empty" if value is None else "text" if isinstance(value, str) else "a number"


def quote(text: str) -> str:
    """Text for a sentence: short, on one line, printable."""
    shown = "".join(char if char.isprintable() else "�" for char in text[:60])
    return f"“{shown}…”" if len(text) > 60 else f"“{shown}”"
