"""Some examples of a dataset with all that a snapshot holds of them, as plain rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import F, Q

from curation.held import among, rows_of
from curation.models import (
    Attachment,
    AuditEvent,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
)
from executor.enums import RunState
from executor.models import Run, Verdict
from scoring.snapshots.fields import (
    COMMENT_PEOPLE,
    DRAFT_PEOPLE,
    OF_COMMENT,
    OF_DRAFT,
    OF_EVENT,
    OF_EXAMPLE,
    OF_REVISION,
    OF_RUN,
    OF_STEP,
    OF_VERDICT,
)
from scoring.snapshots.texts import Shape

EXAMPLE, DRAFT = Shape.of(Example, OF_EXAMPLE), Shape.of(Draft, OF_DRAFT)
REVISION, STEP = Shape.of(Revision, OF_REVISION), Shape.of(FixStep, OF_STEP)
COMMENT, EVENT = Shape.of(Comment, OF_COMMENT), Shape.of(AuditEvent, OF_EVENT)
RUN, VERDICT = Shape.of(Run, OF_RUN), Shape.of(Verdict, OF_VERDICT, "verdict__")


class FileRow(NamedTuple):
    example: int
    pk: int
    name: str
    sha256: str


class DraftRow(NamedTuple):
    example: int
    pk: int
    blind: bool
    original: int | None
    people: tuple[int | None, ...]
    values: tuple[Any, ...]


class RevisionRow(NamedTuple):
    draft: int
    pk: int
    number: int
    sha256: str
    created_by: int | None
    values: tuple[Any, ...]


class StepRow(NamedTuple):
    draft: int
    pk: int
    order: int
    category: str | None
    subcategory: str | None
    before: int | None
    after: int | None
    author: int | None
    values: tuple[Any, ...]


class CommentRow(NamedTuple):
    draft: int
    pk: int
    step: int | None
    people: tuple[int | None, ...]
    values: tuple[Any, ...]


class RunRow(NamedTuple):
    example: int
    pk: int
    draft: int | None
    state: str
    code_hash: str
    requested_by: int | None
    values: tuple[Any, ...]
    verdict: tuple[Any, ...]


class EventRow(NamedTuple):
    pk: int
    draft: int | None
    target_type: str
    target_id: str
    actor: int | None
    data: str
    values: tuple[Any, ...]


@dataclass(slots=True)
class ExampleRow:
    """An example, and its own of every table, each in its order."""

    pk: int
    example_id: str
    values: tuple[Any, ...]
    files: list[FileRow] = field(default_factory=list)
    drafts: list[DraftRow] = field(default_factory=list)
    runs: list[RunRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)


@dataclass(slots=True)
class Chunk:
    """Examples, and by draft what belongs to their drafts. `codes` are of runs whose code no
    revision holds."""

    examples: list[ExampleRow]
    revisions: dict[int, list[RevisionRow]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[int, list[StepRow]] = field(default_factory=lambda: defaultdict(list))
    comments: dict[int, list[CommentRow]] = field(default_factory=lambda: defaultdict(list))
    codes: dict[int, str] = field(default_factory=dict)

    def code_of(self, run: "RunRow") -> str:
        """The code of a run that no revision of the snapshot holds."""
        if run.pk not in self.codes:  # a revision of a draft that stays behind holds it
            self.codes[run.pk] = Run.objects.values_list("code", flat=True).get(pk=run.pk)
        return self.codes[run.pk]


def chunks(dataset: Dataset, size: int) -> Iterator[Chunk]:
    """All examples in their order, `size` at a time."""
    ordered = dataset.examples.order_by("position", "id")
    rows = ordered.values_list("pk", "example_id", *EXAMPLE.columns).iterator(chunk_size=size)
    while found := [ExampleRow(pk, name, rest) for pk, name, *rest in islice(rows, size)]:
        yield _filled(found)
        del found  # or two chunks are held while the next one is read


def _filled(examples: list[ExampleRow]) -> Chunk:
    chunk, own = Chunk(examples), {example.pk: example for example in examples}
    for file in _files(own):
        own[file.example].files.append(file)
    drafts = {}
    for draft in _drafts(own):
        own[draft.example].drafts.append(draft)
        drafts[draft.pk] = draft.example
    hashes = defaultdict(set)
    for revision in _revisions(drafts):
        chunk.revisions[revision.draft].append(revision)
        hashes[drafts[revision.draft]].add(revision.sha256)
    for step in _steps(drafts):
        chunk.steps[step.draft].append(step)
    for comment in _comments(drafts):
        chunk.comments[comment.draft].append(comment)
    lacking = []
    for run in _runs(own):
        own[run.example].runs.append(run)
        lacking += [run.pk] if run.code_hash not in hashes[run.example] else []
    chunk.codes = dict(rows_of(Run.objects.filter(pk__in=among(lacking)).values_list("pk", "code")))
    _add_history(own, drafts)
    return chunk


def _files(examples: Iterable[int]) -> Iterator[FileRow]:
    found = Attachment.objects.filter(example__in=among(examples)).order_by("name")
    return map(FileRow._make, rows_of(found.values_list("example_id", "pk", "name", "sha256")))


def _drafts(examples: Iterable[int]) -> Iterator[DraftRow]:
    found = Draft.objects.filter(example__in=among(examples)).order_by("id")
    people, end = [f"{name}_id" for name in DRAFT_PEOPLE], 4 + len(DRAFT_PEOPLE)
    columns: tuple[Any, ...] = ("example_id", "pk", "blind", "original_id", *people, *DRAFT.columns)
    for row in rows_of(found.values_list(*columns)):
        yield DraftRow._make((*row[:4], row[4:end], row[end:]))


def _revisions(drafts: Iterable[int]) -> Iterator[RevisionRow]:
    found = Revision.objects.filter(draft__in=among(drafts)).order_by("draft_id", "number")
    columns = ("draft_id", "pk", F("number"), "sha256", "created_by_id")
    for row in rows_of(found.values_list(*columns, *REVISION.columns)):
        yield RevisionRow._make((*row[:5], row[5:]))


def _steps(drafts: Iterable[int]) -> Iterator[StepRow]:
    found = FixStep.objects.filter(draft__in=among(drafts)).order_by("draft_id", "order")
    columns = (
        *("draft_id", "pk", F("order"), "category__slug", "subcategory__slug"),
        *("before_id", "after_id", "author_id"),
    )
    for row in rows_of(found.values_list(*columns, *STEP.columns)):
        yield StepRow._make((*row[:8], row[8:]))


def _comments(drafts: Iterable[int]) -> Iterator[CommentRow]:
    found = Comment.objects.filter(draft__in=among(drafts)).order_by("id")
    people, end = [f"{name}_id" for name in COMMENT_PEOPLE], 3 + len(COMMENT_PEOPLE)
    columns: tuple[Any, ...] = ("draft_id", "pk", "step_id", *people, *COMMENT.columns)
    for row in rows_of(found.values_list(*columns)):
        yield CommentRow._make((*row[:3], row[3:end], row[end:]))


def _runs(examples: Iterable[int]) -> Iterator[RunRow]:
    found = Run.objects.filter(example__in=among(examples)).order_by("id")
    columns = ("example_id", "pk", "draft_id", "state", F("code_hash"), "requested_by_id")
    end = 6 + len(RUN.columns)
    for row in rows_of(found.values_list(*columns, *RUN.columns, *VERDICT.columns)):
        yield RunRow._make((*row[:6], row[6:end], row[end:]))


def _add_history(own: dict[int, ExampleRow], drafts: dict[int, int]) -> None:
    """What was done to each example, its files and its drafts, the oldest first."""
    files = {str(file.pk): pk for pk, example in own.items() for file in example.files}
    found = AuditEvent.objects.filter(
        Q(draft_pk__in=list(drafts))
        | Q(target_type="example", target_id__in=[str(pk) for pk in own])
        | Q(target_type="attachment", target_id__in=list(files))
    ).order_by("id")
    columns = ("pk", "draft_pk", F("target_type"), "target_id", "actor_id", DATA)
    for row in rows_of(found.values_list(*columns, *EVENT.columns)):
        event = EventRow._make((*row[:6], row[6:]))
        owner = drafts.get(event.draft or 0)
        if owner is None:
            told = event.target_id
            owner = int(told) if event.target_type == "example" else files[told]
        own[owner].events.append(event)


(DATA,) = Shape.of(AuditEvent, ("data",)).columns


def unfinished(run: RunRow) -> bool:
    return run.state != RunState.FINISHED


class Names(dict[int | None, str]):
    """The names of people by their number, as JSON; asked for once each."""

    def __missing__(self, pk: int | None) -> str:
        text = "null"
        if pk is not None:
            text = encode_basestring(User.objects.get(pk=pk).get_username())
        self[pk] = text
        return text
