"""Everything of a dataset as one zip file: equal datasets give equal bytes.

What stays behind belongs to a server and not to a dataset: who may do what, working copies,
deleted records, runs under way, experiments. Blind repairs stay until all are in, as anywhere.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring as quoted
from typing import Any

from curation.importers.snapshots import FORMAT
from curation.importers.source import folder_of
from curation.models import Attachment, Category, Dataset
from scoring.exporters import zips
from scoring.exporters.base import Tally
from scoring.snapshots.chunks import (
    COMMENT,
    DRAFT,
    EVENT,
    EXAMPLE,
    REVISION,
    RUN,
    STEP,
    VERDICT,
    Chunk,
    CommentRow,
    DraftRow,
    EventRow,
    ExampleRow,
    Names,
    RunRow,
    StepRow,
    chunks,
    unfinished,
)
from scoring.snapshots.fields import (
    COMMENT_PEOPLE,
    DATASET,
    DRAFT_PEOPLE,
    EXAMPLES,
    FILES,
    FORMAT_VERSION,
    MANIFEST,
    OF_CATEGORY,
    OF_DATASET,
    TAXONOMY,
    TOLD,
    values_of,
)

# Examples with all that belongs to them, read at a time.
CHUNK = 50
BLIND = "blind repairs that are still under way (drafts)"
UNFINISHED = "unfinished runs"


def write_snapshot(dataset: Dataset, tally: Tally) -> Iterator[bytes]:
    """The snapshot's bytes; what it holds and leaves out is counted."""
    return zips.stream(_Writer(dataset, tally, dataset.slug).members())


def snapshot_files(dataset: Dataset, tally: Tally, slug: str) -> dict[str, dict[str, Any]]:
    """Hash and size of every file of the dataset's snapshot, were its slug this one."""
    writer = _Writer(dataset, tally, slug)
    for _, pieces in writer.members():
        for _ in pieces:
            pass
    return writer.files


@dataclass(frozen=True, slots=True)
class _Writer:
    dataset: Dataset
    tally: Tally
    slug: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def members(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield DATASET, self._hashed(DATASET, [as_text(self._dataset(), 2)])
        yield TAXONOMY, self._hashed(TAXONOMY, [as_text(self._taxonomy(), 2)])
        yield EXAMPLES, self._hashed(EXAMPLES, self._examples())
        for name, content in self._attachments():
            yield name, self._hashed(name, [content])
        # Last: it holds the hashes of all the others.
        yield MANIFEST, [as_text(self._manifest(), 2)]

    def _hashed(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece
        self.files[name] = {"sha256": digest.hexdigest(), "bytes": size}

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": self.slug,
            "only": "all",
            "examples": self.tally.examples,
            "steps": self.tally.steps,
            "files": self.files,
        }

    def _dataset(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            **values_of(self.dataset, OF_DATASET),
            "created_by": _name(self.dataset.created_by),
        }

    def _taxonomy(self) -> list[dict[str, Any]]:
        """The categories that its steps have, with all their subcategories."""
        used = Category.objects.filter(steps__draft__example__dataset=self.dataset).distinct()
        return [
            values_of(category, OF_CATEGORY)
            | {"subcategories": [values_of(s, OF_CATEGORY) for s in category.subcategories.all()]}
            for category in used.prefetch_related("subcategories")
        ]

    def _examples(self) -> Iterator[bytes]:
        names = Names()
        for chunk in chunks(self.dataset, CHUNK):
            for example in chunk.examples:
                yield f"{self._example(example, chunk, names)}\n".encode()
            del chunk, example  # the next ones are read while names still hold these

    def _example(self, example: ExampleRow, chunk: Chunk, names: Names) -> str:
        drafts = [draft for draft in example.drafts if not draft.blind]
        numbers = {draft.pk: number for number, draft in enumerate(drafts, start=1)}
        hidden = {draft.pk for draft in example.drafts} - numbers.keys()
        codes = {each.sha256 for draft in drafts for each in chunk.revisions[draft.pk]}
        runs = [run for run in example.runs if run.draft not in hidden]
        finished = [run for run in runs if not unfinished(run)]
        self.tally.examples += 1
        # Imported, half-replayed drafts count their steps, too: a snapshot holds everything.
        own = [draft for draft in drafts if draft.original is None]
        self.tally.steps += sum(len(chunk.steps[draft.pk]) for draft in own)
        self._leave_out(BLIND, len(hidden))
        self._leave_out(UNFINISHED, len(runs) - len(finished))
        keys = _Keys(example, chunk, numbers)
        lists = {
            "files": [
                f'{{"name": {quoted(file.name)}, "sha256": "{file.sha256}"}}'
                for file in example.files
            ],
            "drafts": [_draft(draft, chunk, numbers, names) for draft in drafts],
            "runs": [_run(run, numbers, codes, chunk, names) for run in finished],
            "history": [
                _event(event, keys, names) for event in example.events if event.draft not in hidden
            ],
        }
        return f"{{{EXAMPLE.members(example.values)}, {_lists(lists)}}}"

    def _leave_out(self, what: str, count: int) -> None:
        if count:
            self.tally.left_out[what] += count

    def _attachments(self) -> Iterator[tuple[str, bytes]]:
        found = Attachment.objects.filter(example__dataset=self.dataset).select_related("example")
        ordered = found.order_by("example__position", "example_id", "name")
        for item in ordered.iterator(chunk_size=1):
            yield file_of(item.example.example_id, item.name), bytes(item.content)


def file_of(example_id: str, name: str) -> str:
    """The member of a snapshot that is this data file."""
    return f"{FILES}{folder_of(example_id)}/{name}"


def as_text(value: Any, indent: int | None = None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode()


def _lists(found: Mapping[str, Iterable[str]]) -> str:
    return ", ".join(f'"{name}": [{", ".join(items)}]' for name, items in found.items())


def quoted_or_null(text: str | None) -> str:
    return "null" if text is None else quoted(text)


def _number(found: int | None) -> str:
    return "null" if found is None else str(found)


def _draft(draft: DraftRow, chunk: Chunk, numbers: Mapping[int, int], names: Names) -> str:
    revisions, steps = chunk.revisions[draft.pk], chunk.steps[draft.pk]
    number_of = {revision.pk: revision.number for revision in revisions}
    order_of = {step.pk: step.order for step in steps}
    lists = {
        "revisions": [
            f'{{{REVISION.members(each.values)}, "created_by": {names[each.created_by]}}}'
            for each in revisions
        ],
        "steps": [_step(step, number_of, names) for step in steps],
        "comments": [_comment(each, order_of, names) for each in chunk.comments[draft.pk]],
    }
    people = _people(DRAFT_PEOPLE, draft.people, names)
    original = _number(numbers.get(draft.original or 0))
    return f'{{{DRAFT.members(draft.values)}, {people}, "original": {original}, {_lists(lists)}}}'


def _step(step: StepRow, number_of: Mapping[int, int], names: Names) -> str:
    return (
        f'{{{STEP.members(step.values)}, "category": {quoted_or_null(step.category)}, '
        f'"subcategory": {quoted_or_null(step.subcategory)}, '
        f'"before": {_number(number_of.get(step.before or 0))}, '
        f'"after": {_number(number_of.get(step.after or 0))}, "author": {names[step.author]}}}'
    )


def _comment(comment: CommentRow, order_of: Mapping[int, int], names: Names) -> str:
    people = _people(COMMENT_PEOPLE, comment.people, names)
    step = _number(order_of.get(comment.step or 0))
    return f'{{{COMMENT.members(comment.values)}, {people}, "step": {step}}}'


def _run(
    run: RunRow, numbers: Mapping[int, int], codes: Container[str], chunk: Chunk, names: Names
) -> str:
    # What a revision holds stands there already.
    code = "null" if run.code_hash in codes else quoted(chunk.code_of(run))
    return (
        f'{{{RUN.members(run.values)}, "requested_by": {names[run.requested_by]}, '
        f'"draft": {_number(numbers.get(run.draft or 0))}, "code": {code}, '
        f'"verdict": {{{VERDICT.members(run.verdict)}}}}}'
    )


def _people(roles: Iterable[str], people: Iterable[int | None], names: Names) -> str:
    pairs = zip(roles, people, strict=True)
    return ", ".join(f'"{role}": {names[person]}' for role, person in pairs)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the records of an example are called in its snapshot, by type and number here."""

    example: ExampleRow
    chunk: Chunk
    numbers: Mapping[int, int]

    def of(self, event: EventRow) -> list[Any] | None:
        """The target's key; None when it is gone."""
        found: dict[str, list[Any]] = {}
        if event.target_type == "example":
            found = {str(self.example.pk): []}
        elif event.target_type == "draft":
            found = {str(pk): [number] for pk, number in self.numbers.items()}
        elif event.target_type == "attachment":
            found = {str(file.pk): [file.name] for file in self.example.files}
        elif event.target_type in ("fixstep", "comment"):
            found = self._within(event.draft or 0, event.target_type)
        return found.get(event.target_id)

    def _within(self, draft: int, kind: str) -> dict[str, list[Any]]:
        number = self.numbers.get(draft)
        if number is None:
            return {}
        if kind == "fixstep":
            return {str(step.pk): [number, step.order] for step in self.chunk.steps[draft]}
        comments = enumerate(self.chunk.comments[draft], start=1)
        return {str(comment.pk): [number, place] for place, comment in comments}


def _event(event: EventRow, keys: _Keys, names: Names) -> str:
    data = json.loads(event.data)
    told = {name: data[name] for name in TOLD if _is_plain(data.get(name))}
    draft = _number(keys.numbers.get(event.draft or 0))
    key, said = (json.dumps(each, ensure_ascii=False) for each in (keys.of(event), told))
    return (
        f'{{{EVENT.members(event.values)}, "actor": {names[event.actor]}, "draft": {draft}, '
        f'"key": {key}, "data": {said}}}'
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | bool)


def _name(person: Any) -> str | None:
    return None if person is None else str(person.get_username())
