"""Files of rows: JSONL, a JSON list of objects, or Parquet. At most one row is held."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from curation.importers.base import MOST_RECORD_CHARACTERS, Content, NotThisFormat
from curation.importers.json_stream import as_object, walk
from curation.importers.report import Note
from curation.importers.source import Unreadable

PARQUET_MAGIC = b"PAR1"
# Lines looked at for one that tells what the rows are.
_LOOKED_AT = 20
# A column of a row group must fit into memory once.
MOST_GROUP_BYTES = 512 * 1024 * 1024
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Row:
    """One object, and where it stands, counted from 1."""

    number: int
    values: dict[str, Any]


def is_parquet(content: Content) -> bool:
    return content.head.startswith(PARQUET_MAGIC)


def first_row(content: Content) -> dict[str, Any]:
    """A row that tells the keys; empty where the file holds no rows. Looked for once."""
    if content.first_row is None:
        content.first_row = _find_first_row(content)
    return content.first_row


def _find_first_row(content: Content) -> dict[str, Any]:
    try:
        if is_parquet(content):
            return dict.fromkeys(_open_parquet(content.open()).schema_arrow.names)
        start = content.start.lstrip()[:1]
        if start == "{":
            return next((r.values for r in _some_lines(content) if isinstance(r, Row)), {})
        if start == "[":
            first = next((piece.value for piece in walk(content) if piece.in_list), None)
            return first if isinstance(first, dict) else {}
    except (NotThisFormat, Unreadable):
        return {}
    return {}


def _some_lines(content: Content) -> Iterator[Row | Note]:
    for number, item in enumerate(_lines(content)):
        if number == _LOOKED_AT:
            return
        yield item


def rows(content: Content) -> Iterator[Row | Note]:
    """Every row; a note for one that cannot be read.

    Raises:
        NotThisFormat, Unreadable: the file is broken. Before the first row.
    """
    if is_parquet(content):
        yield from _parquet(content)
    elif content.start.lstrip().startswith("["):
        for piece in walk(content):  # to the end, before anything is taken
            del piece
        found = (piece.value for piece in walk(content) if piece.in_list)
        for number, value in enumerate(found, start=1):
            yield _row(content.name, number, value)
    else:
        yield from _lines(content)


def as_values(found: Iterable[Row | Note]) -> Iterator[dict[str, Any] | Note]:
    return (item.values if isinstance(item, Row) else item for item in found)


def _lines(content: Content) -> Iterator[Row | Note]:
    """One object a line; what is odd about a line concerns that line alone."""
    number, content.consumed = 0, 0
    with content.open() as file:
        while line := file.readline(MOST_RECORD_CHARACTERS + 1):
            number += 1
            too_long = len(line) > MOST_RECORD_CHARACTERS and _skip_line(file)
            content.consumed = file.tell()
            if too_long:
                most = MOST_RECORD_CHARACTERS // 2**20
                yield _refused(content.name, number, f"The line is longer than {most} MB.")
            elif number == 1:
                yield from _line(content.name, number, line.removeprefix(b"\xef\xbb\xbf"))
            else:
                yield from _line(content.name, number, line)


def _skip_line(file: IO[bytes]) -> bool:
    while line := file.readline(MOST_RECORD_CHARACTERS):
        if line.endswith(b"\n"):
            break
    return True


def _line(file: str, number: int, line: bytes) -> Iterator[Row | Note]:
    if not line.strip():
        return
    try:
        value = json.loads(line.decode().rstrip(), object_pairs_hook=as_object)
    except UnicodeDecodeError as error:
        bad = f"0x{line[error.start]:02X}"
        yield _refused(file, number, f"The line is not UTF-8: byte {error.start} is {bad}.")
    except json.JSONDecodeError as error:
        message = f"The line is not whole JSON: column {error.colno}: {error.msg}."
        yield _refused(file, number, message)
    except RecursionError:
        yield _refused(file, number, "The line is nested too deeply to be read.")
    except ValueError as error:  # a whole number of thousands of digits
        yield _refused(file, number, f"The line holds a value that cannot be read: {error}.")
    else:
        yield _row(file, number, value)


def _row(file: str, number: int, value: Any) -> Row | Note:
    if isinstance(value, dict):
        return Row(number, value)
    return _refused(file, number, "It is not an object with keys.")


def _refused(file: str, number: int, message: str) -> Note:
    return Note(file, message, record=f"number {number}", refused=True)


def _parquet(content: Content) -> Iterator[Row | Note]:
    with content.open() as file:
        table = _open_parquet(file)
        number = 0
        try:
            for batch in table.iter_batches(batch_size=_BATCH):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
                content.consumed = file.tell()
        except (OSError, ValueError, TypeError, NotImplementedError) as error:
            first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            message = f"From here on the Parquet file cannot be read: {first}."
            yield _refused(content.name, number + 1, message)


def _open_parquet(file: IO[bytes]) -> Any:
    """The file, its footer read.

    Raises:
        NotThisFormat: the footer is broken, or a part of it is too large to be read at once.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        groups = [table.metadata.row_group(i) for i in range(table.metadata.num_row_groups)]
        sizes = [group.total_byte_size for group in groups]
    except (ArrowException, OSError, ValueError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise NotThisFormat(f"This is not a whole Parquet file: {first}.") from None
    if max(sizes, default=0) > MOST_GROUP_BYTES:
        raise NotThisFormat(
            f"One row group holds {max(sizes) / 2**20:.0f} MB, more than may be held at once "
            f"({MOST_GROUP_BYTES / 2**20:.0f} MB). Write the file with smaller row groups."
        )
    return table
