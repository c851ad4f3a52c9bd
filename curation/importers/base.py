"""What every importer offers, and what it is given."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

from curation.importers.report import Note
from curation.importers.source import Source, Unreadable
from curation.records import Output, Record

# What recognising looks at.
HEAD_BYTES = 1 << 16
CHUNK_BYTES = 1 << 18
# Files that are read whole, and one record of those that are not: parsed, it takes up to 50 times
# as much memory.
MOST_WHOLE_BYTES = 64 * 1024 * 1024
MOST_RECORD_CHARACTERS = 8 * 1024 * 1024


class NotThisFormat(Exception):
    """The file looked like this format and is not; the text is for a person."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the person who imports wants of rows of code.

    `sample` rows are drawn by `seed`; None takes all. Without `any_licence` only rows under a
    licence that allows to pass them on are taken.
    """

    sample: int | None = None
    seed: int = 0
    any_licence: bool = False


class Content:
    """A file to be read: its head for recognising, and streams that hold little at a time."""

    def __init__(
        self,
        name: str,
        text: str = "",
        *,
        source: Source | None = None,
        limit: int = MOST_WHOLE_BYTES,
        options: Options | None = None,
    ) -> None:
        """`text` is the content where it is at hand, otherwise it comes from `source`."""
        self.name = name
        self.options = options or Options()
        self.consumed = 0
        # What `rows` found, for the formats that ask for it one after the other.
        self.first_row: dict[str, Any] | None = None
        self._source = source
        self._limit = limit
        if source is None:
            self.text = text

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2].rpartition(".")[0] or self.name

    def open(self) -> IO[bytes]:
        """The bytes. Raises Unreadable."""
        if self._source is None:
            return io.BytesIO(self.text.encode(errors="surrogatepass"))
        return self._source.open(self._limit)

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    @property
    def start(self) -> str:
        """The first characters, whatever is no UTF-8 replaced."""
        return self.head.decode("utf-8-sig", errors="replace")

    @cached_property
    def text(self) -> str:
        """All of it. Raises Unreadable: too large to be read whole, or no text."""
        parts, length = [], 0
        for chunk in self.chunks():
            parts.append(chunk)
            length += len(chunk)
            if length > MOST_WHOLE_BYTES:
                most = MOST_WHOLE_BYTES // 2**20
                raise Unreadable(f"A file of this kind may have at most {most} MB.")
        return "".join(parts)

    def chunks(self) -> Iterator[str]:
        """The text, part by part. Raises Unreadable: it is not UTF-8, or holds NUL."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.consumed = lines = 0
        with self.open() as file:
            while True:
                data = file.read(CHUNK_BYTES)
                if b"\0" in data:
                    message = "It holds NUL characters, which no text file does. Is it binary?"
                    raise Unreadable(message)
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(data, final=not data)
                except UnicodeDecodeError as error:
                    raise Unreadable(_not_utf8(error, self.consumed - pending, lines)) from None
                self.consumed += len(data)
                lines += data.count(b"\n")
                if text:
                    yield text
                if not data:
                    return

    def beside(self, name: str) -> "Content | None":
        """The file of that name in the same folder."""
        found = self._source.beside(name) if self._source else None
        return Content(found.name, source=found) if found is not None else None

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders that it lies in, the innermost last."""
        return PurePosixPath(self.name).parts[:-1]


def _not_utf8(error: UnicodeDecodeError, before: int, lines: int) -> str:
    assert isinstance(error.object, bytes)
    at, bad = error.start, error.object[error.start]
    line = lines + error.object.count(b"\n", 0, at) + 1
    return f"It is not UTF-8: byte {before + at} (line {line}) is 0x{bad:02X}. Save it as UTF-8."


class Importer(Protocol):
    """One format that people bring."""

    name: str

    def recognises(self, content: Content) -> bool:
        """Whether the content, not the name alone, looks like this format."""

    def read(self, content: Content) -> Iterator[Record | Output | Note]:
        """What it holds, and notes on what could not be read; a refused record is a note.

        Raises:
            NotThisFormat, Unreadable: nothing of the file can be taken. It is raised before the
                first record, so that no file is taken in half.
        """
