"""Everything of a dataset as one zip file: equal datasets give equal bytes.

What stays behind belongs to a server and not to a dataset: who may do what, working copies,
deleted records, runs under way, experiments. Blind repairs stay until all are in, as anywhere.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from curation.importers.snapshots import FORMAT
from curation.importers.source import folder_of
from curation.models import (
    Attachment,
    AuditEvent,
    Category,
    Comment,
    Dataset,
    Draft,
    Example,
    FixStep,
    Revision,
)
from executor.enums import RunState
from executor.models import Run
from scoring.exporters import zips
from scoring.exporters.base import Tally, let_go
from scoring.snapshots.fields import (
    COMMENT_PEOPLE,
    DATASET,
    DRAFT_PEOPLE,
    EXAMPLES,
    FILES,
    FORMAT_VERSION,
    MANIFEST,
    OF_CATEGORY,
    OF_COMMENT,
    OF_DATASET,
    OF_DRAFT,
    OF_EVENT,
    OF_EXAMPLE,
    OF_REVISION,
    OF_RUN,
    OF_STEP,
    OF_VERDICT,
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
    return zips.stream(_Writer(dataset, tally).members())


def snapshot_files(dataset: Dataset, tally: Tally) -> dict[str, dict[str, Any]]:
    """Hash and size of every file that the dataset's snapshot would hold."""
    writer = _Writer(dataset, tally)
    for _, pieces in writer.members():
        for _ in pieces:
            pass
    return writer.files


@dataclass(frozen=True, slots=True)
class _Writer:
    dataset: Dataset
    tally: Tally
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
            "dataset": self.dataset.slug,
            "only": "all",
            "examples": self.tally.examples,
            "steps": self.tally.steps,
            "files": self.files,
        }

    def _dataset(self) -> dict[str, Any]:
        return {
            "slug": self.dataset.slug,
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
        examples = _with_all(self.dataset).iterator(chunk_size=CHUNK)
        while chunk := list(islice(examples, CHUNK)):
            history = _history(chunk)
            for example in chunk:
                yield as_text(self._example(example, history[example.pk]))
            let_go(chunk)

    def _example(self, example: Example, events: list[AuditEvent]) -> dict[str, Any]:
        drafts = [draft for draft in example.drafts.all() if not draft.blind]
        numbers = {draft.pk: number for number, draft in enumerate(drafts, start=1)}
        hidden = {draft.pk for draft in example.drafts.all()} - numbers.keys()
        codes = {revision.sha256 for draft in drafts for revision in draft.revisions.all()}
        runs = [run for run in example.runs.all() if run.draft_id not in hidden]
        finished = [run for run in runs if run.state == RunState.FINISHED]
        self.tally.examples += 1
        self._leave_out(BLIND, len(hidden))
        self._leave_out(UNFINISHED, len(runs) - len(finished))
        keys = _Keys(example, drafts, numbers)
        return {
            **values_of(example, OF_EXAMPLE),
            "files": [
                {"name": item.name, "sha256": item.sha256} for item in example.attachments.all()
            ],
            "drafts": [self._draft(draft, numbers) for draft in drafts],
            "runs": [_run(run, numbers, codes) for run in finished],
            "history": [_event(event, keys) for event in events if event.draft_pk not in hidden],
        }

    def _leave_out(self, what: str, count: int) -> None:
        if count:
            self.tally.left_out[what] += count

    def _draft(self, draft: Draft, numbers: dict[int, int]) -> dict[str, Any]:
        revisions = sorted(draft.revisions.all(), key=lambda revision: revision.number)
        number_of = {revision.pk: revision.number for revision in revisions}
        steps = sorted(draft.steps.all(), key=lambda step: step.order)
        order_of = {step.pk: step.order for step in steps}
        # Imported, half-replayed drafts count their steps, too: a snapshot holds everything.
        self.tally.steps += len(steps) if draft.original_id is None else 0
        return {
            **values_of(draft, OF_DRAFT),
            **_people(draft, DRAFT_PEOPLE),
            "original": numbers.get(draft.original_id or 0),
            "revisions": [
                values_of(each, OF_REVISION) | _people(each, ("created_by",)) for each in revisions
            ],
            "steps": [_step(step, number_of) for step in steps],
            "comments": [_comment(comment, order_of) for comment in draft.comments.all()],
        }

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


def _with_all(dataset: Dataset) -> QuerySet[Example]:
    """Examples with everything that a snapshot holds of them, in a fixed order."""
    people = [f"{name}" for name in DRAFT_PEOPLE]
    drafts = (
        Draft.objects.select_related(*people)
        .order_by("id")
        .prefetch_related(
            Prefetch("revisions", Revision.objects.select_related("created_by")),
            Prefetch("steps", FixStep.objects.select_related("category", "subcategory", "author")),
            Prefetch("comments", Comment.objects.select_related(*COMMENT_PEOPLE).order_by("id")),
        )
    )
    runs = Run.objects.select_related("verdict", "requested_by").order_by("id")
    files = Attachment.objects.defer("content").order_by("name")
    return dataset.examples.order_by("position", "id").prefetch_related(
        Prefetch("drafts", drafts), Prefetch("runs", runs), Prefetch("attachments", files)
    )


def _history(examples: list[Example]) -> dict[int, list[AuditEvent]]:
    """What was done to each example, its files and its drafts, the oldest first."""
    drafts = {draft.pk: example.pk for example in examples for draft in example.drafts.all()}
    own = {str(example.pk): example.pk for example in examples}
    files = {str(f.pk): example.pk for example in examples for f in example.attachments.all()}
    found: dict[int, list[AuditEvent]] = defaultdict(list)
    events = AuditEvent.objects.filter(
        Q(draft_pk__in=drafts)
        | Q(target_type="example", target_id__in=own)
        | Q(target_type="attachment", target_id__in=files)
    )
    for event in events.select_related("actor").order_by("id"):
        owner = drafts.get(event.draft_pk or 0)
        if owner is None:
            owner = (own if event.target_type == "example" else files)[event.target_id]
        found[owner].append(event)
    return found


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the records of an example are called in its snapshot, by type and number here."""

    example: Example
    drafts: list[Draft]
    numbers: dict[int, int]

    def of(self, event: AuditEvent) -> list[Any] | None:
        """The target's key; None when it is gone."""
        found: dict[str, list[Any]] = {}
        if event.target_type == "example":
            found = {str(self.example.pk): []}
        elif event.target_type == "draft":
            found = {str(pk): [number] for pk, number in self.numbers.items()}
        elif event.target_type == "attachment":
            found = {str(item.pk): [item.name] for item in self.example.attachments.all()}
        elif event.target_type in ("fixstep", "comment"):
            draft = next((each for each in self.drafts if each.pk == event.draft_pk), None)
            found = self._within(draft, event.target_type) if draft else {}
        return found.get(event.target_id)

    def _within(self, draft: Draft, kind: str) -> dict[str, list[Any]]:
        number = self.numbers[draft.pk]
        if kind == "fixstep":
            return {str(step.pk): [number, step.order] for step in draft.steps.all()}
        comments = enumerate(draft.comments.all(), start=1)
        return {str(comment.pk): [number, place] for place, comment in comments}


def _event(event: AuditEvent, keys: _Keys) -> dict[str, Any]:
    told = {name: event.data[name] for name in TOLD if _is_plain(event.data.get(name))}
    return {
        **values_of(event, OF_EVENT),
        "actor": _name(event.actor),
        "draft": keys.numbers.get(event.draft_pk or 0),
        "key": keys.of(event),
        "data": told,
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | bool)


def _run(run: Run, numbers: dict[int, int], codes: set[str]) -> dict[str, Any]:
    return {
        **values_of(run, OF_RUN),
        "requested_by": _name(run.requested_by),
        "draft": numbers.get(run.draft_id or 0),
        # What a revision holds stands there already.
        "code": None if run.code_hash in codes else run.code,
        "verdict": values_of(run.verdict, OF_VERDICT),
    }


def _step(step: FixStep, number_of: dict[int, int]) -> dict[str, Any]:
    return {
        **values_of(step, OF_STEP),
        "category": step.category.slug if step.category else None,
        "subcategory": step.subcategory.slug if step.subcategory else None,
        "before": number_of.get(step.before_id or 0),
        "after": number_of.get(step.after_id or 0),
        "author": _name(step.author),
    }


def _comment(comment: Comment, order_of: dict[int, int]) -> dict[str, Any]:
    return {
        **values_of(comment, OF_COMMENT),
        **_people(comment, COMMENT_PEOPLE),
        "step": order_of.get(comment.step_id or 0),
    }


def _people(item: Any, names: Iterable[str]) -> dict[str, str | None]:
    return {name: _name(getattr(item, name)) for name in names}


def _name(person: Any) -> str | None:
    return None if person is None else str(person.get_username())
