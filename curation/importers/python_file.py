"""A plain PyTorch program: one example whose Example_id is the file's name."""

from collections.abc import Iterator

from curation.importers.base import HEAD_BYTES, Content
from curation.importers.report import Note
from curation.importers.values import LONGEST, MOST_CHARACTERS
from curation.llm.extraction import parses
from curation.records import Record


class PythonFile:
    name = "Python file"

    def recognises(self, content: Content) -> bool:
        """By name, or as text that is Python and imports something."""
        if content.name.endswith(".py"):
            return True
        start = content.start
        whole = len(content.head) < HEAD_BYTES
        return whole and "\0" not in start and "import " in start and parses(start)

    def read(self, content: Content) -> Iterator[Record | Note]:
        if len(content.text) > MOST_CHARACTERS:
            message = f"It is longer than {MOST_CHARACTERS:,} characters."
            yield Note(content.name, message, record=content.stem, refused=True)
            return
        if not content.text.strip():
            yield Note(content.name, "The file is empty.", record=content.stem, refused=True)
            return
        if len(content.stem) > LONGEST["example_id"]:
            message = f"The name is longer than {LONGEST['example_id']} characters."
            yield Note(content.name, message, refused=True)
            return
        yield Record(example_id=content.stem, pytorch_code=content.text)
