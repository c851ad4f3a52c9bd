"""One example as files carry it, whatever their format, and as the database holds it.

Importers make records from files, exporters write records; comparing the two says whether a file
brings anything new.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

from curation.enums import Difficulty, DraftStatus, Located, Origin, StepKind
from curation.held import HeldDraft, HeldExample, HeldStep, held, held_draft
from curation.models import Draft, Example

# Which of several drafts stands for the example, best first; among equals the newest.
BEST_FIRST = (
    DraftStatus.APPROVED,
    DraftStatus.VERIFIED,
    DraftStatus.REPAIRING,
    DraftStatus.DRAFT,
)


class StepRecord(NamedTuple):
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
            "steps": [step._asdict() for step in self.steps],
        }


# dataclasses.asdict copies every text's container deeply: it took a third of an import's time.
_TOLD = tuple({*Record.__slots__} - {"draft_code", "final_code", "steps", "files", "model"})


@dataclass(frozen=True, slots=True)
class Output:
    """What a model answered for an example that the dataset holds."""

    example_id: str
    model: str
    answer: str


def _hash(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class Ranked(Protocol):
    """A draft, as a model or as a row."""

    @property
    def pk(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def original_id(self) -> int | None: ...


D = TypeVar("D", bound=Ranked)


def best_draft(example: Example) -> Draft | None:
    """The draft that stands for the example: the first of BEST_FIRST, then the newest.

    Independent repairs stand for nothing until one is taken into their original.
    """
    return next(iter(best_first(example.drafts.all())), None)


def best_first(drafts: Iterable[D]) -> list[D]:
    """An example's own drafts, as `best_draft` would take them one after the other."""
    own = [draft for draft in drafts if draft.original_id is None]
    return sorted(own, key=lambda draft: (_RANKS[draft.status], -draft.pk))


_RANKS: Mapping[str, int] = {status.value: rank for rank, status in enumerate(BEST_FIRST)}


def record_of(example: Example) -> Record:
    """The example and its best draft as a record. No queries after prefetching RECORD_PARTS."""
    whole = held(example)
    return record_with(whole, next(iter(best_first(whole.drafts)), None))


def record_with(
    example: HeldExample,
    draft: HeldDraft | None,
    final: str | None = None,
    *,
    steps: bool = True,
) -> Record:
    """The example and one of its drafts as a record.

    `final` is the repaired program where someone else says what it is. Without `steps`, who asks
    takes them from the draft.
    """
    parts: dict[str, Any] = _draft_parts(draft, final, steps) if draft else {}
    return Record(
        example_id=example.example_id,
        pytorch_code=example.pytorch_code,
        title=example.title,
        difficulty="" if example.difficulty == Difficulty.UNKNOWN else example.difficulty,
        source=example.source,
        licence=example.licence,
        attachments=tuple(example.attachments),
        approval_reason=draft.approval_reason if draft else "",
        **parts,
    )


def draft_record(draft: Draft) -> Record:
    """A draft alone, as a record of no example."""
    return Record(example_id="", pytorch_code="", **_draft_parts(held_draft(draft), None, True))


def _draft_parts(draft: HeldDraft, final: str | None, steps: bool) -> dict[str, Any]:
    return {
        "draft_code": draft.revisions[0].code,
        "final_code": final_code(draft) if final is None else final,
        "steps": tuple(map(_step_record, draft.steps)) if steps else (),
    }


# What record_of reads, for Example.objects.prefetch_related(*RECORD_PARTS).
RECORD_PARTS = (
    "attachments",
    "drafts__revisions",
    "drafts__steps__category",
    "drafts__steps__subcategory",
)


def final_code(draft: HeldDraft) -> str:
    """The newest revision; empty while no person, file or verdict says that it is the end.

    An imported draft whose steps did not all replay, and whose file named no fixed output, stands
    half repaired: its newest revision is not the fixed one.
    """
    newest = draft.revisions[-1].code
    if draft.status in (DraftStatus.APPROVED, DraftStatus.VERIFIED):
        return newest
    if any(revision.origin == Origin.FINAL for revision in draft.revisions):
        return newest
    replayed = bool(draft.steps) and all(step.after_id is not None for step in draft.steps)
    return newest if replayed else ""


def _step_record(step: HeldStep) -> StepRecord:
    return StepRecord(
        step.error_code,
        step.error,
        step.fix_info,
        step.fixed_code,
        step.category or "",
        step.subcategory or "",
        said_kind(step),
    )


def said_kind(step: HeldStep) -> str:
    """The kind of a step as a file says it: not at all where it is the usual one."""
    return "" if step.kind == usual_kind(step.located) else step.kind


@cache
def usual_kind(located: str) -> StepKind:
    """The kind of a step whose file does not say it."""
    if located == Located.TARGETS_INPUT:
        return StepKind.REFERENCE
    return StepKind.BEHAVIOUR
