"""Examples as records of a snapshot, made of plain rows.

What belongs together is nested, and people go by their names: numbers of this database stay here.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import Cast

from curation import ahead
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
from executor.models import Run
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
    TOLD,
)
from scoring.snapshots.shapes import Record, Shape, Written

_EXAMPLE = Shape(
    Example,
    OF_EXAMPLE,
    own=("pk",),
    more=("files", "drafts", "runs", "history"),
)
_DRAFT = Shape(
    Draft,
    OF_DRAFT,
    own=("example_id", "pk", "blind", "original_id", *(f"{role}_id" for role in DRAFT_PEOPLE)),
    more=(*DRAFT_PEOPLE, "original", "revisions", "steps", "comments"),
)
_REVISION = Shape(
    Revision,
    OF_REVISION,
    own=("draft__example_id", "draft_id", "number", "pk", "sha256", "created_by_id"),
    more=("created_by",),
)
_STEP = Shape(
    FixStep,
    OF_STEP,
    own=(
        *("draft__example_id", "draft_id", "order", "pk", "before_id", "after_id", "author_id"),
        *("category__slug", "subcategory__slug"),
    ),
    more=("category", "subcategory", "before", "after", "author"),
)
_COMMENT = Shape(
    Comment,
    OF_COMMENT,
    own=(
        *("draft__example_id", "draft_id", "pk", "step_id"),
        *(f"{role}_id" for role in COMMENT_PEOPLE),
    ),
    more=(*COMMENT_PEOPLE, "step"),
)
_RUN = Shape(
    Run,
    OF_RUN,
    own=("example_id", "pk", "draft_id", "code", "code_hash", "requested_by_id"),
    more=("requested_by", "draft", "code", "verdict"),
)
_VERDICT = Written(OF_VERDICT, via="verdict__")
_EVENT = Shape(
    AuditEvent,
    OF_EVENT,
    own=("pk", "draft_pk", "target_type", "target_id", "actor_id", "data"),
    more=("actor", "draft", "key", "data"),
)


@dataclass(slots=True)
class ExampleRecord:
    """An example's record in the making.

    `hidden` are blind drafts, of which nothing is told; `unfinished` counts runs that are not.
    `keys` is what its own are called in the snapshot, by their type and number here.
    """

    record: Record
    drafts: dict[int, "_Draft"] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    unfinished: int = 0
    steps: int = 0
    keys: dict[tuple[str, str], list[Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """A draft's record in the making; its revisions and steps by their numbers here."""

    number: int
    imported_again: bool
    record: Record
    revisions: dict[int, int] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)


def records(dataset: Dataset, size: int) -> Iterator[list[ExampleRecord]]:
    """All examples in their order, `size` at a time."""
    names, ordered = _Names(), dataset.examples.order_by("position", "id")
    for rows, answers in ahead.read(ordered.values_list(*_EXAMPLE.columns), _questions(), size):
        made = {row[0]: ExampleRecord(_EXAMPLE.record(row, [], [], [], [])) for row in rows}
        for pk, own in made.items():
            own.keys["example", str(pk)] = []
        _fill(made, answers, names)
        yield list(made.values())
        del rows, answers, made  # or they are held while the next ones are read


@cache
def _questions() -> list[ahead.Question]:
    """What is asked of each chunk, in the order in which `_fill` takes the answers."""
    mine = ahead.among()
    examples = Example.objects.filter(pk__in=mine)
    files = Attachment.objects.filter(example__in=mine).order_by("name")
    drafts = Draft.objects.filter(example__in=mine).order_by("id")
    runs = Run.objects.filter(example__in=mine)
    finished = runs.filter(state=RunState.FINISHED, verdict__isnull=False)
    events = AuditEvent.objects.values_list(*_EVENT.columns)
    number = Cast("pk", models.CharField())  # events name what they are about by a text
    found = [
        files.values_list("example_id", "pk", "name", "sha256"),
        Revision.objects.filter(draft__example__in=mine).values_list(*_REVISION.columns),
        drafts.values_list(*_DRAFT.columns),
        FixStep.objects.filter(draft__example__in=mine).values_list(*_STEP.columns),
        Comment.objects.filter(draft__example__in=mine).values_list(*_COMMENT.columns),
        runs.exclude(state=RunState.FINISHED).values_list("example_id", "draft_id"),
        finished.values_list(*_RUN.columns, _VERDICT),
        events.filter(draft_pk__in=drafts.values("pk")),
        events.filter(target_type="example", target_id__in=examples.values_list(number)),
        events.filter(target_type="attachment", target_id__in=files.values_list(number)),
    ]
    return [ahead.question(each) for each in found]


def _fill(made: dict[int, ExampleRecord], answers: list[list[ahead.Row]], names: "_Names") -> None:
    files, revisions, drafts, steps, comments, unfinished, runs, *events = answers
    for example, pk, name, sha256 in files:
        made[example].record["files"].append({"name": name, "sha256": sha256})
        made[example].keys["attachment", str(pk)] = [name]
    _add_drafts(made, drafts, {row[1] for row in revisions}, names)
    _add_revisions(made, revisions, names)
    _add_steps(made, steps, names)
    _add_comments(made, comments, names)
    for example, draft in unfinished:
        made[example].unfinished += draft not in made[example].hidden
    _add_runs(made, runs, names)
    _add_history(made, {row[0]: row for rows in events for row in rows}, names)


def _add_drafts(
    made: dict[int, ExampleRecord], rows: list[ahead.Row], known: set[int], names: "_Names"
) -> None:
    """`known` are those with revisions; others were deleted since they were asked for."""
    for row in rows:
        if row[2]:
            made[row[0]].hidden.add(row[1])
    shown = [row for row in rows if not row[2] and row[1] in known]
    numbers: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for row in shown:
        counts[row[0]] += 1
        numbers[row[1]] = counts[row[0]]
    for row in shown:
        own, pk = made[row[0]], row[1]
        people = [names[person] for person in row[4 : 4 + len(DRAFT_PEOPLE)]]
        record = _DRAFT.record(row, *people, numbers.get(row[3]), [], [], [])
        own.record["drafts"].append(record)
        own.drafts[pk] = _Draft(numbers[pk], row[3] is not None, record)
        own.keys["draft", str(pk)] = [numbers[pk]]


def _add_revisions(made: dict[int, ExampleRecord], rows: list[ahead.Row], names: "_Names") -> None:
    for row in sorted(rows, key=itemgetter(1, 2)):
        own, number = made[row[0]], row[2]
        if draft := own.drafts.get(row[1]):
            draft.record["revisions"].append(_REVISION.record(row, names[row[5]]))
            draft.revisions[row[3]] = number
            own.hashes.add(row[4])


def _add_steps(made: dict[int, ExampleRecord], rows: list[ahead.Row], names: "_Names") -> None:
    for row in sorted(rows, key=itemgetter(1, 2)):
        _, of, order, pk, before, after, author, category, subcategory = row[:9]
        own = made[row[0]]
        if draft := own.drafts.get(of):
            ends = draft.revisions.get(before), draft.revisions.get(after)
            record = _STEP.record(row, category, subcategory, *ends, names[author])
            draft.record["steps"].append(record)
            draft.steps[pk] = order
            own.keys["fixstep", str(pk)] = [draft.number, order]
            # Imported, half-replayed drafts count their steps, too: a snapshot holds everything.
            own.steps += not draft.imported_again


def _add_comments(made: dict[int, ExampleRecord], rows: list[ahead.Row], names: "_Names") -> None:
    for row in sorted(rows, key=itemgetter(2)):
        own = made[row[0]]
        if draft := own.drafts.get(row[1]):
            people = [names[person] for person in row[4 : 4 + len(COMMENT_PEOPLE)]]
            comments = draft.record["comments"]
            comments.append(_COMMENT.record(row, *people, draft.steps.get(row[3])))
            own.keys["comment", str(row[2])] = [draft.number, len(comments)]


def _add_runs(made: dict[int, ExampleRecord], rows: list[ahead.Row], names: "_Names") -> None:
    for row in sorted(rows, key=itemgetter(1)):
        example, _, of, code, code_hash, person = row[:6]
        own = made[example]
        if of not in own.hidden:
            draft = own.drafts.get(of)
            number = draft.number if draft else None
            told = code if code_hash not in own.hashes else None  # a revision holds it already
            verdict = orjson.Fragment(row[-1])
            own.record["runs"].append(_RUN.record(row, names[person], number, told, verdict))


def _add_history(
    made: dict[int, ExampleRecord], events: dict[int, ahead.Row], names: "_Names"
) -> None:
    """What was done to each example, its files and its drafts, the oldest first."""
    of_draft = {pk: own for own in made.values() for pk in own.drafts}
    hidden = {pk for own in made.values() for pk in own.hidden}
    of_target = {key: own for own in made.values() for key in own.keys}
    for _, row in sorted(events.items()):
        _, draft, kind, target, actor, data = row[:6]
        own = of_draft.get(draft) or of_target.get((kind, target))
        # Else what it is about was deleted since it was asked for.
        if own and draft not in hidden:
            number = own.drafts[draft].number if draft in own.drafts else None
            key = own.keys.get((kind, target))
            record = _EVENT.record(row, names[actor], number, key, _told(json.loads(data)))
            own.record["history"].append(record)


def _told(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in TOLD if isinstance(data.get(name), str | int | bool)}


class _Names(dict[int | None, str | None]):
    """The names of people by their number; asked for once each."""

    def __missing__(self, pk: int | None) -> str | None:
        found = User.objects.filter(pk=pk).first() if pk is not None else None
        self[pk] = found.get_username() if found else None
        return self[pk]
