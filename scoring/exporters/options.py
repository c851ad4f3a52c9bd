"""What a person asks of an export, and which of it a format can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ExportRefused(Exception):
    """Why an export is not made; the text is for the person who asked."""


class Only(StrEnum):
    """Which drafts leave the house.

    VERIFIED: every step replays, and the newest revision passes under the present contract.
    APPROVED: the same, and a second person approved it; a written reason stands for a pass.
    ALL: whatever is there. The override: files that are made with it say so.
    """

    VERIFIED = "verified"
    APPROVED = "approved"
    ALL = "all"


# The one way to split: whole problems, near-duplicates together.
BY_PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Options:
    """`only` None is what the format usually takes."""

    only: Only | None = None
    leave_one_out: bool = False
    split: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "only": self.only.value if self.only else None,
            "leave_one_out": self.leave_one_out,
            "split": self.split,
        }

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Options":
        """
        Raises:
            ExportRefused: a value is not one of those there are.
        """
        only, split = found.get("only") or None, found.get("split") or ""
        if only is not None and only not in list(Only):
            raise ExportRefused(f"“{only}” is no choice of drafts: {', '.join(Only)}.")
        if split not in ("", BY_PROBLEM):
            raise ExportRefused(f"“{split}” is no way to split: only by {BY_PROBLEM}.")
        return cls(Only(only) if only else None, bool(found.get("leave_one_out")), split)

    def chosen(self) -> dict[str, str]:
        """What was asked for, by the option's name on the command line."""
        asked = {"only": self.only, "leave-one-out": self.leave_one_out, "split": self.split}
        return {name: str(value) for name, value in asked.items() if value}


# What is made when nothing special is asked for.
USUAL = Options()
