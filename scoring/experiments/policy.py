"""Which examples an augmented prompt carries, as a setting says it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    NONE = "none"
    LOO = "loo"  # every other example of the dataset
    ALL = "all"  # every example of the context dataset
    FILE = "file"  # the examples of a file, kept in the policy


class Choice(StrEnum):
    """Which examples stay when not all fit."""

    NEAREST = "nearest"
    COVER = "cover"


class PolicyRefused(Exception):
    """Why a context policy cannot be used; the text is for the person who chose it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where context comes from and how it is narrowed.

    `budget` is in tokens (None: what the model's window leaves); `keep` is a number of examples
    (None: all that fit); steps of the categories `without` are taken out. `strict` also leaves
    out examples that share a line with the fixes of the one that is translated.
    """

    source: Source = Source.NONE
    choice: Choice = Choice.NEAREST
    budget: int | None = None
    keep: int | None = None
    without: tuple[str, ...] = ()
    strict: bool = True
    name: str = ""
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether something is left out on purpose."""
        return bool(self.without) or self.keep is not None or self.budget is not None

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        return found | {"without": list(self.without), "examples": list(self.examples)}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Policy":
        """
        Raises:
            PolicyRefused: a field is unknown or holds something else than it should.
        """
        known = {"source", "choice", "budget", "keep", "without", "strict", "name", "examples"}
        if unknown := set(found) - known:
            raise PolicyRefused(f"A context policy has no field {', '.join(sorted(unknown))}.")
        try:
            source = Source(found.get("source", "none"))
            choice = Choice(found.get("choice", "nearest"))
        except ValueError as error:
            raise PolicyRefused(f"{error} of a context policy.") from None
        return cls(
            source,
            choice,
            _count(found, "budget"),
            _count(found, "keep"),
            tuple(found.get("without") or ()),
            bool(found.get("strict", True)),
            str(found.get("name", "")),
            tuple(found.get("examples") or ()),
        )

    def __str__(self) -> str:
        """In words, for tables and pages."""
        words = {
            Source.NONE: "no context",
            Source.LOO: "leave one out",
            Source.ALL: "all examples",
            Source.FILE: f"the file {self.name}",
        }
        parts = [words[self.source]]
        if self.without:
            parts.append(f"without {', '.join(self.without)}")
        if self.keep is not None:
            parts.append(f"at most {self.keep}")
        if self.budget is not None:
            parts.append(f"{self.budget} tokens")
        if self.keep is not None or self.budget is not None:
            by = "category cover" if self.choice == Choice.COVER else "similarity"
            parts.append(f"chosen by {by}")
        return ", ".join(parts)


def _count(found: Mapping[str, Any], name: str) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PolicyRefused(f"“{name}” of a context policy is a number of 0 or more.")
    return value
