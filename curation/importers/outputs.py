"""What models answered, row by row: each becomes a draft of an example that is there."""

from collections.abc import Iterator

from curation.importers.base import Content
from curation.importers.pairs import ID_KEYS, check_lengths, id_of, shown_id
from curation.importers.report import Note
from curation.importers.rows import Row, first_row, rows
from curation.importers.values import MOST_PARSED, Refused, as_text, plain
from curation.records import Output


class Outputs:
    name = "model outputs"

    def recognises(self, content: Content) -> bool:
        keys = {plain(key) for key in first_row(content)}
        return "jax_code" in keys and "pytorch_code" not in keys and bool(keys & {*ID_KEYS})

    def read(self, content: Content) -> Iterator[Output | Note]:
        for row in rows(content):
            if isinstance(row, Note):
                yield row
                continue
            try:
                yield _output(row)
            except Refused as refusal:
                name = shown_id(row)
                yield Note(content.name, str(refusal), name, refusal.field, refused=True)


def _output(row: Row) -> Output:
    values = {plain(key): value for key, value in row.values.items()}
    output = Output(
        example_id=id_of(values),
        model=as_text("model", values.get("model")).strip(),
        answer=as_text("jax_code", values.get("jax_code"), MOST_PARSED),
    )
    if not output.example_id:
        raise Refused("id", "It is missing or empty; it says which example was translated.")
    if not output.answer.strip():
        raise Refused("jax_code", "It is missing or empty.")
    check_lengths(output)
    return output
