"""One example as files carry it, whatever their format, and as the database holds it.

Importers make records from files, exporters write records; comparing the two says whether a file
brings anything new.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from curation.enums import Difficulty, DraftStatus, Located, Origin, StepKind
from curation.models import Draft, Example, Revision

# Which of several drafts stands for the example, best first; among equals the newest.
BEST_FIRST = (
    DraftStatus.APPROVED,
    DraftStatus.VERIFIED,
    DraftStatus.REPAIRING,
    DraftStatus.DRAFT,
)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A fix step as written in a file. Categories are the file's words; `kind` "" is unsaid."""

    error_code: str = ""
    error: str = ""
    fix_info: str = ""
    fixed_code: str = ""
    category: str = ""
    subcategory: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """An example with at most one draft and its repair."""

    example_id: str
    pytorch_code: str
    draft_code: str = ""
    final_code: str = ""
    steps: tuple[StepRecord, ...] = ()
    title: str = ""
    difficulty: str = ""
    source: str = ""
    licence: str = ""
    approval_reason: str = ""
    attachments: tuple[str, ...] = ()
    # Text of attachments that stand in the file itself; not part of what the record says.
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    # Who wrote the draft, where the file says it; neither is this.
    model: str = field(default="", compare=False)

    @property
    def has_draft(self) -> bool:
        return bool(self.draft_code or self.final_code or self.steps)

    def fingerprint(self) -> str:
        """SHA-256 over all fields: equal for records that are equal."""
        own = {name: getattr(self, name) for name in _TOLD}
        return _hash(own | self._repair() | {"files": {}})

    def draft_fingerprint(self) -> str:
        """SHA-256 over the draft and its repair."""
        return _hash(self._repair())

    def _repair(self) -> dict[str, Any]:
        return {
            "draft_code": self.draft_code,
            "final_code": self.final_code,
            "steps": [{name: getattr(step, name) for name in _STEP_FIELDS} for step in self.steps],
        }


# dataclasses.asdict copies every text's container deeply: it took a third of an import's time.
_STEP_FIELDS = tuple(StepRecord.__slots__)
_TOLD = tuple({*Record.__slots__} - {"draft_code", "final_code", "steps", "files", "model"})


@dataclass(frozen=True, slots=True)
class Output:
    """What a model answered for an example that the dataset holds."""

    example_id: str
    model: str
    answer: str


def _hash(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def best_draft(example: Example) -> Draft | None:
    """The draft that stands for the example: the first of BEST_FIRST, then the newest.

    Independent repairs stand for nothing until one is taken into their original.
    """
    return next(iter(best_first(example)), None)


def best_first(example: Example) -> list[Draft]:
    """The example's own drafts, as `best_draft` would take them one after the other."""
    order = {status: rank for rank, status in enumerate(BEST_FIRST)}
    own = [draft for draft in example.drafts.all() if draft.original_id is None]
    return sorted(own, key=lambda d: (order[DraftStatus(d.status)], -d.pk))


def record_of(example: Example) -> Record:
    """The example and its best draft as a record. No queries after prefetching RECORD_PARTS."""
    return record_with(example, best_draft(example))


def record_with(example: Example, draft: Draft | None) -> Record:
    """The example and one of its drafts as a record."""
    record = Record(
        example_id=example.example_id,
        pytorch_code=example.pytorch_code,
        title=example.title,
        difficulty="" if example.difficulty == Difficulty.UNKNOWN else example.difficulty,
        source=example.source,
        licence=example.licence,
        attachments=tuple(item.name for item in example.attachments.all()),
    )
    if draft is None:
        return record
    return replace(record, **_draft_parts(draft), approval_reason=draft.approval_reason)


def draft_record(draft: Draft) -> Record:
    """A draft alone, as a record of no example."""
    return Record(example_id="", pytorch_code="", **_draft_parts(draft))


def _draft_parts(draft: Draft) -> dict[str, Any]:
    return {
        "draft_code": _revisions(draft)[0].code,
        "final_code": final_code(draft),
        "steps": tuple(_steps(draft)),
    }


# What record_of reads, for Example.objects.prefetch_related(*RECORD_PARTS).
RECORD_PARTS = (
    "attachments",
    "drafts__revisions",
    "drafts__steps__category",
    "drafts__steps__subcategory",
)


def final_code(draft: Draft) -> str:
    """The newest revision; empty while no person, file or verdict says that it is the end.

    An imported draft whose steps did not all replay, and whose file named no fixed output, stands
    half repaired: its newest revision is not the fixed one.
    """
    revisions = _revisions(draft)
    if draft.status in (DraftStatus.APPROVED, DraftStatus.VERIFIED):
        return revisions[-1].code
    if any(revision.origin == Origin.FINAL for revision in revisions):
        return revisions[-1].code
    steps = draft.steps.all()
    replayed = bool(steps) and all(step.after_id is not None for step in steps)
    return revisions[-1].code if replayed else ""


def _revisions(draft: Draft) -> list[Revision]:
    return sorted(draft.revisions.all(), key=lambda revision: revision.number)


def _steps(draft: Draft) -> Iterator[StepRecord]:
    for step in sorted(draft.steps.all(), key=lambda item: item.order):
        yield StepRecord(
            error_code=step.error_code,
            error=step.error,
            fix_info=step.fix_info,
            fixed_code=step.fixed_code,
            category=step.category.name if step.category else "",
            subcategory=step.subcategory.name if step.subcategory else "",
            kind="" if step.kind == usual_kind(Located(step.located)) else step.kind,
        )


def usual_kind(located: Located) -> StepKind:
    """The kind of a step whose file does not say it."""
    if located == Located.TARGETS_INPUT:
        return StepKind.REFERENCE
    return StepKind.BEHAVIOUR
