"""JSON files of any size, one element at a time."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curation.importers.base import MOST_RECORD_CHARACTERS, Content, NotThisFormat

# A file of examples has a handful.
MOST_KEYS = 10_000
_WHITE = re.compile(r"[ \t\n\r]*")
# What is read at first where more is needed, and then four times as much.
_MORE = 1 << 18


class JSONObject(dict[str, Any]):
    """A JSON object that remembers the keys which stood in it more than once."""

    __slots__ = ("repeated",)
    repeated: tuple[str, ...]


def as_object(pairs: list[tuple[str, Any]]) -> JSONObject:
    found = JSONObject(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key, count in counts.items() if count > 1)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=as_object)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the outermost value.

    `member` counts the keys of an outermost object and is None in an outermost list, or for an
    outermost value that is neither. The start of a list comes as a piece of its own.
    """

    value: Any
    member: int | None = None
    key: str = ""
    in_list: bool = False
    starts_list: bool = False


def parse(text: str) -> Any:
    """The one value in `text`. Raises NotThisFormat."""
    reader = _Reader(iter([text]))
    value = reader.value()
    reader.end()
    return value


def walk(content: Content) -> Iterator[Piece]:
    """The elements of an outermost list, or the members of an outermost object.

    A member that is a list comes element by element. At most one element is held.

    Raises:
        NotThisFormat: it is no whole JSON.
        Unreadable: it is no text.
    """
    reader = _Reader(content.chunks())
    first = reader.peek()
    if first == "[":
        yield Piece(None, starts_list=True)
        for value in reader.elements():
            yield Piece(value, in_list=True)
    elif first == "{":
        yield from _members(reader)
    else:
        yield Piece(reader.value())
    reader.end()


def _members(reader: "_Reader") -> Iterator[Piece]:
    reader.take("{")
    number = 0
    while reader.peek() != "}":
        if number:
            reader.take(",")
        if reader.peek() != '"':
            raise reader.wrong("a key in double quotes was expected")
        key = reader.value()
        reader.take(":")
        if reader.peek() == "[":
            yield Piece(None, number, key, starts_list=True)
            for value in reader.elements():
                yield Piece(value, number, key, in_list=True)
        else:
            yield Piece(reader.value(), number, key)
        number += 1
        if number > MOST_KEYS:
            raise NotThisFormat(f"The outermost object has more than {MOST_KEYS} keys.")
    reader.take("}")


class _Reader:
    """Text that comes in chunks, of which only what is not yet read is held."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._text = ""
        self._at = 0
        self._over = False
        # Lines before the held text, and characters before it in its first line.
        self._lines = self._column = 0

    def peek(self) -> str:
        """The next character that is not white; "" at the end."""
        while True:
            match = _WHITE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(1):
                return ""

    def take(self, char: str) -> None:
        if self.peek() != char:
            raise self.wrong(f"“{char}” was expected")
        self._at += 1

    def elements(self) -> Iterator[Any]:
        self.take("[")
        first = True
        while self.peek() != "]":
            if not first:
                self.take(",")
            first = False
            yield self.value()
        self.take("]")

    def value(self) -> Any:
        """The next value. More text is read as long as it does not parse."""
        self.peek()
        more = _MORE
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(more):
                    raise self.wrong(error.msg, error.pos) from None
            except RecursionError:
                raise NotThisFormat("The JSON is nested too deeply to be read.") from None
            except ValueError as error:  # a whole number of thousands of digits
                message = f"The JSON holds a value that cannot be read: {error}."
                raise NotThisFormat(message) from None
            else:
                # A number may go on in the next chunk.
                if end < len(self._text) or not self._fill(1):
                    self._at = end
                    return value
            more *= 4

    def end(self) -> None:
        if self.peek():
            raise self.wrong("Extra data")

    def wrong(self, message: str, at: int | None = None) -> NotThisFormat:
        at = self._at if at is None else at
        before = self._text[:at]
        line = self._lines + before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        if "\n" not in before:
            column += self._column
        return NotThisFormat(
            f"This is not whole JSON: line {line}, column {column}: {message.strip()}."
        )

    def _may_go_on(self, more: int) -> bool:
        if len(self._text) - self._at > MOST_RECORD_CHARACTERS and not self._over:
            most = MOST_RECORD_CHARACTERS // 2**20
            raise NotThisFormat(
                f"The value at line {self._lines + 1 + self._text.count(chr(10), 0, self._at)} is "
                f"broken, or longer than the {most} million characters that one record may have."
            )
        return self._fill(more)

    def _fill(self, wanted: int) -> bool:
        """Read `wanted` more characters if there are; False at the end."""
        parts, got = [], 0
        while got < wanted and not self._over:
            chunk = next(self._chunks, None)
            self._over = chunk is None
            if chunk is not None:
                parts.append(chunk)
                got += len(chunk)
        if not got:
            return False
        gone = self._text[: self._at]
        lines = gone.count("\n")
        after = len(gone) - (gone.rfind("\n") + 1)
        self._lines += lines
        self._column = after if lines else self._column + after
        self._text, self._at = self._text[self._at :] + "".join(parts), 0
        return True
