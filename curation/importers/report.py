"""What an import did, as counts and as sentences for the person who brought the files."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from curation.enums import Located

# Past this many sentences a report is no longer read; the counts go on.
MOST_NOTES = 2_000


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about a file, a record or a field; `refused` when it was not taken.

    `left_out` counts records that nobody wanted, such as duplicates.
    """

    file: str
    message: str
    record: str = ""
    field: str = ""
    refused: bool = False
    left_out: int = 0

    def __str__(self) -> str:
        where = [self.file]
        if self.record:
            where.append(f"record {self.record}")
        if self.field:
            where.append(self.field)
        return f"{', '.join(where)}: {self.message}"


@dataclass(slots=True)
class Report:
    """Counts of records, files and steps, and the sentences.

    `lines_changed` stand between drafts and fixed outputs; steps account for `lines_explained`.
    """

    dataset: str
    dry_run: bool = False
    files: int = 0
    files_refused: int = 0
    files_ignored: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    refused: int = 0
    left_out: int = 0
    drafts: int = 0
    attachments: int = 0
    steps: Counter[Located] = field(default_factory=Counter)
    replayed: int = 0
    lines_changed: int = 0
    lines_explained: int = 0
    notes: list[Note] = field(default_factory=list)
    notes_left_out: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything that was brought was taken."""
        return not (self.refused or self.files_refused)

    @property
    def explained(self) -> str:
        """How far the steps lead from the drafts to the fixed outputs, in words."""
        if not self.lines_changed:
            return ""
        share = 100 * self.lines_explained // self.lines_changed
        return f"{share}% ({self.lines_explained} of {self.lines_changed} changed lines)"

    def say(self, note: Note) -> None:
        """Keep the sentence; past MOST_NOTES those on refusals alone, past twice as many none."""
        self.left_out += note.left_out
        most = 2 * MOST_NOTES if note.refused or note.left_out else MOST_NOTES
        if len(self.notes) < most:
            self.notes.append(note)
        else:
            self.notes_left_out += 1

    def summary(self) -> str:
        """One line of counts."""
        would = "would be " if self.dry_run else ""
        steps = sum(self.steps.values())
        parts = [
            f"{self.new} {would}new",
            *([f"{self.changed} {would}changed"] if self.changed else []),
            f"{self.same} the same",
            f"{self.refused} refused",
            *([f"{self.left_out} left out"] if self.left_out else []),
            *([f"{self.drafts} {would}new drafts of models"] if self.drafts else []),
            f"{steps} steps, {self.replayed} replayed",
        ]
        if self.lines_changed:
            parts.append(f"steps explain {self.explained}")
        if self.files_refused:
            parts.append(f"{self.files_refused} of {self.files} files refused")
        if self.files_ignored:
            parts.append(f"{self.files_ignored} other files left alone")
        located = ", ".join(
            f"{self.steps[kind]} {kind.label.lower()}" for kind in Located if self.steps[kind]
        )
        return "; ".join(parts) + (f" (Error_Code: {located})" if located else "")

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "files": self.files,
            "files_refused": self.files_refused,
            "files_ignored": self.files_ignored,
            "new": self.new,
            "changed": self.changed,
            "same": self.same,
            "refused": self.refused,
            "left_out": self.left_out,
            "drafts": self.drafts,
            "attachments": self.attachments,
            "steps": {kind.value: self.steps[kind] for kind in Located},
            "steps_replayed": self.replayed,
            "lines_changed": self.lines_changed,
            "lines_explained": self.lines_explained,
            "notes": [
                {
                    "file": note.file,
                    "record": note.record,
                    "field": note.field,
                    "message": note.message,
                    "refused": note.refused,
                    "left_out": note.left_out,
                }
                for note in self.notes
            ],
            "notes_left_out": self.notes_left_out,
        }
