"""Files that people bring. A new format is one module and one line in FORMATS."""

from curation.importers.base import Content, Importer, Options
from curation.importers.code_rows import CodeRows
from curation.importers.notebook import Notebook
from curation.importers.outputs import Outputs
from curation.importers.pairs import Pairs
from curation.importers.python_file import PythonFile
from curation.importers.rows import PARQUET_MAGIC
from curation.importers.source import Source, Unreadable
from curation.importers.t2j_json import T2JJson

# Asked in this order: rows and notebooks are JSON, and every JSON list is Python, too.
FORMATS: tuple[Importer, ...] = (
    Notebook(),
    Pairs(),
    Outputs(),
    CodeRows(),
    T2JJson(),
    PythonFile(),
)


def find_format(content: Content) -> Importer | None:
    return next((format_ for format_ in FORMATS if format_.recognises(content)), None)


def open_file(
    source: Source, limit: int, options: Options | None = None
) -> tuple[Content, Importer]:
    """The file and its format.

    Raises:
        Unreadable: larger than `limit` bytes, no text, or of no known format.
    """
    content = Content(source.name, source=source, limit=limit, options=options)
    if b"\0" in content.head and not content.head.startswith(PARQUET_MAGIC):
        raise Unreadable("It holds NUL characters, which no text file does. Is it binary?")
    format_ = find_format(content)
    if format_ is not None:
        return content, format_
    known = ", ".join(item.name for item in FORMATS)
    raise Unreadable(f"Its content is none of these: {known}.")
