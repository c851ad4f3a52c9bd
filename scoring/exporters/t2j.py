"""The fixed-bug JSON of the T2J paper, which its augmented prompt takes, and the data files.

Of several drafts of an example the best is taken: approved before verified before repairing, then
the newest. Our own keys (Title, Difficulty, Source, Licence, Attachments; Category, Subcategory and
Kind of a step) stand there only when they say something.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from json.encoder import encode_basestring as quoted
from typing import Any

from curation.held import HeldStep
from curation.importers.source import folder_of
from curation.models import Attachment, Dataset
from curation.records import Record, StepRecord, said_kind
from scoring.exporters import zips
from scoring.exporters.base import Export, ExportFile, Tally, about
from scoring.exporters.options import USUAL, Only, Options
from scoring.exporters.selection import Item, Part, Selection, groups_of, parts_of

WRAPPER = "Pytorch_to_JAX_Examples"


class T2JExporter:
    name = "t2j"
    title = "T2J fixed-bug JSON"
    takes = frozenset({"only", "leave-one-out", "split"})
    usual = Only.VERIFIED

    def export(self, dataset: Dataset, options: Options = USUAL) -> Export:
        tally = Tally()
        only = options.only or self.usual
        # Whether steps replay takes the revisions between, and is not asked of all.
        selection = Selection(dataset, only, tally, ends=only == Only.ALL)
        exported: set[int] = set()
        make = _left_one_out if options.leave_one_out else _whole
        files = make(selection, options, exported)
        if dataset.examples.filter(attachments__isnull=False).exists():
            read = partial(_write_zip, selection, exported)
            files.append(ExportFile(f"{dataset.slug}-files.zip", "application/zip", read))
        return Export(tuple(files), tally, about(self, dataset, options))


def _whole(selection: Selection, options: Options, exported: set[int]) -> list[ExportFile]:
    return [
        ExportFile(
            part.file(selection.dataset.slug, ".json"),
            "application/json",
            partial(_write_items, selection, part, exported),
        )
        for part in parts_of(selection.dataset, options.split)
    ]


def _left_one_out(selection: Selection, options: Options, exported: set[int]) -> list[ExportFile]:
    """A file for each example, with all the others but its near-duplicates."""
    groups = groups_of(selection.dataset)
    found = (item for item, _ in selection.judgements() if item)
    names = [item.example.example_id for item in found]
    files = []
    for number, name in enumerate(names):
        others = {each for each, group in groups.items() if group != groups.get(name)}
        # Counted once: every file is made of the same examples.
        counted = selection if number == 0 else _uncounted(selection)
        files.append(
            ExportFile(
                f"{selection.dataset.slug}-without/{folder_of(name)}.json",
                "application/json",
                partial(_write_others, counted, others, exported),
            )
        )
    return files or _whole(selection, options, exported)


def _uncounted(selection: Selection) -> Selection:
    return replace(selection, tally=Tally())


def _write_items(selection: Selection, part: Part, exported: set[int]) -> Iterator[bytes]:
    return _write_json(selection, selection.items(part), exported, lambda _: True)


def _write_others(selection: Selection, others: set[str], exported: set[int]) -> Iterator[bytes]:
    return _write_json(
        selection, selection.items(), exported, lambda item: item.record.example_id in others
    )


def _write_json(
    selection: Selection,
    items: Iterator[Item],
    exported: set[int],
    wanted: Callable[[Item], bool],
) -> Iterator[bytes]:
    """The same bytes as json.dumps with an indent of 2, example by example."""
    yield f'{{\n  "{WRAPPER}": ['.encode()
    separator = start = "\n    "
    for item in items:
        exported.add(item.example.pk)
        if not item.fixed:
            selection.tally.notes["not repaired to the end: LLM_fix_output is empty"] += 1
        if not wanted(item):
            continue
        yield (separator + as_text(item.record, item.draft.steps)).encode()
        separator = ",\n    "
    yield ("]\n}\n" if separator == start else "\n  ]\n}\n").encode()


# What a step says, by its key in the file; OWN_STEP_KEYS only where it says something.
STEP_KEYS = {
    "Error_Code": "error_code",
    "Error": "error",
    "Fix_info": "fix_info",
    "Fixed_Code": "fixed_code",
}
OWN_STEP_KEYS = {"Category": "category", "Subcategory": "subcategory", "Kind": "kind"}
RECORD_KEYS = {
    "Example_id": "example_id",
    "Input_Code": "pytorch_code",
    "LLM_weak_output": "draft_code",
    "LLM_fix_output": "final_code",
}
OWN_RECORD_KEYS = {
    "Title": "title",
    "Difficulty": "difficulty",
    "Source": "source",
    "Licence": "licence",
    "Attachments": "attachments",
    "Approval_reason": "approval_reason",
}


def to_json(record: Record) -> dict[str, Any]:
    """The record in the paper's shape, keys in the paper's order, ours after them."""
    said = {key: getattr(record, name) for key, name in OWN_RECORD_KEYS.items()}
    said["Attachments"] = list(record.attachments)
    return {
        **{key: getattr(record, name) for key, name in RECORD_KEYS.items()},
        "Errors": [step_json(step) for step in record.steps],
        **{key: value for key, value in said.items() if value},
    }


def step_json(step: StepRecord) -> dict[str, str]:
    said = {key: getattr(step, name) for key, name in (STEP_KEYS | OWN_STEP_KEYS).items()}
    return {key: value for key, value in said.items() if value or key in STEP_KEYS}


def as_text(record: Record, steps: Iterable[HeldStep]) -> str:
    """The same as json.dumps writes it with an indent of 2, within a list of the outermost object.

    `steps` stand for those of the record. json.dumps itself is ten times as slow when it indents.
    """
    text = (
        f'{{\n      "Example_id": {quoted(record.example_id)}'
        f',\n      "Input_Code": {quoted(record.pytorch_code)}'
        f',\n      "LLM_weak_output": {quoted(record.draft_code)}'
        f',\n      "LLM_fix_output": {quoted(record.final_code)}'
    )
    errors = ",\n        ".join(map(_step_text, steps))
    text += (
        f',\n      "Errors": [\n        {errors}\n      ]' if errors else ',\n      "Errors": []'
    )
    for key, name in OWN_RECORD_KEYS.items():
        if value := getattr(record, name):
            text += f',\n      "{key}": {quoted(value) if type(value) is str else _list(value)}'
    return text + "\n    }"


def _step_text(step: HeldStep) -> str:
    # Any other way to put these together takes twice as long.
    text = (
        f'{{\n          "Error_Code": {quoted(step.error_code)}'
        f',\n          "Error": {quoted(step.error)}'
        f',\n          "Fix_info": {quoted(step.fix_info)}'
        f',\n          "Fixed_Code": {quoted(step.fixed_code)}'
    )
    if step.category:
        text += f',\n          "Category": {quoted(step.category)}'
    if step.subcategory:
        text += f',\n          "Subcategory": {quoted(step.subcategory)}'
    if kind := said_kind(step):
        text += f',\n          "Kind": {quoted(kind)}'
    return text + "\n        }"


def _list(names: Iterable[str]) -> str:
    return "[\n        " + ",\n        ".join(map(quoted, names)) + "\n      ]"


def _write_zip(selection: Selection, exported: set[int]) -> Iterator[bytes]:
    # Asked for alone, nothing was read before it that could say which examples go.
    chosen = exported or {item.example.pk for item, _ in selection.judgements() if item}
    return zips.stream(_data_files(selection.dataset, chosen))


def _data_files(dataset: Dataset, chosen: set[int]) -> Iterator[tuple[str, list[bytes]]]:
    """Data files of the examples that are exported."""
    found = Attachment.objects.filter(example__dataset=dataset).select_related("example")
    ordered = found.order_by("example__position", "example_id", "name")
    for attachment in ordered.iterator(chunk_size=1):
        if attachment.example_id in chosen:
            path = f"{folder_of(attachment.example.example_id)}/{attachment.name}"
            yield path, [bytes(attachment.content)]
