"""What is different between two snapshots: examples, steps, categories, verdicts. Plain Python.

Only a short summary of each example is kept in memory.
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scoring.snapshots.fields import EXAMPLES, TAXONOMY

NO_VERDICT = "none"
NO_CATEGORY = "No category"
BEST_FIRST = ("approved", "verified", "repairing", "draft")


@dataclass(frozen=True, slots=True)
class Summary:
    """What one example comes to. Steps are those of the draft that stands for it."""

    program: str
    status: str = ""
    head: str = ""
    verdict: str = NO_VERDICT
    steps: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """An example that both hold and that is not the same in both; `what` in words."""

    example_id: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something there were before and are now."""

    name: str
    before: int
    after: int

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass(slots=True)
class Difference:
    """From one snapshot to another."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    totals: list[Count] = field(default_factory=list)
    categories: list[Count] = field(default_factory=list)
    verdicts: list[Count] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not (self.added or self.removed or self.changed)


def compare(before: Path, after: Path) -> Difference:
    """The difference between two snapshot files of ours, which were checked when they were made."""
    old, new = dict(_summaries(before)), dict(_summaries(after))
    found = Difference(
        added=[name for name in new if name not in old],
        removed=[name for name in old if name not in new],
    )
    for name, summary in new.items():
        if name in old and (what := tuple(_changes(old[name], summary))):
            found.changed.append(Change(name, what))
    found.totals = [
        Count("Examples", len(old), len(new)),
        Count("Steps", *(sum(len(each.steps) for each in side.values()) for side in (old, new))),
    ]
    found.categories = _counts(*(_categories(side) for side in (old, new)))
    found.verdicts = _counts(
        *(Counter(each.verdict for each in side.values()) for side in (old, new))
    )
    return found


def _changes(old: Summary, new: Summary) -> Iterator[str]:
    if old.program != new.program:
        yield "program, contract or what is said about it"
    if old.head != new.head:
        yield "repaired code"
    gone, come = Counter(old.steps) - Counter(new.steps), Counter(new.steps) - Counter(old.steps)
    if gone or come:
        yield f"steps: {len(old.steps)} → {len(new.steps)}, {sum(come.values())} new or changed"
    elif old.steps != new.steps:
        yield "order of the steps"
    if old.categories != new.categories:
        yield "categories"
    if old.verdict != new.verdict:
        yield f"verdict: {old.verdict} → {new.verdict}"
    if old.status != new.status:
        yield f"state: {old.status or 'none'} → {new.status or 'none'}"


def _counts(old: Counter[str], new: Counter[str]) -> list[Count]:
    names = sorted({*old, *new}, key=lambda name: (-new[name], -old[name], name))
    return [Count(name, old[name], new[name]) for name in names]


def _categories(side: Mapping[str, Summary]) -> Counter[str]:
    return Counter(name for each in side.values() for name in each.categories)


def _summaries(path: Path) -> Iterator[tuple[str, Summary]]:
    with zipfile.ZipFile(path) as archive:
        names = {raw["slug"]: raw["name"] for raw in json.loads(archive.read(TAXONOMY))}
        with archive.open(EXAMPLES) as lines:
            for line in lines:
                raw = json.loads(line)
                yield raw["example_id"], _summary(raw, names)


def _summary(raw: Mapping[str, Any], names: Mapping[str, str]) -> Summary:
    told = ("pytorch_code", "contract", "title", "difficulty", "source", "licence", "files")
    program = _digest([raw[name] for name in told])
    own = [each for each in enumerate(raw["drafts"]) if each[1]["original"] is None]
    if not own:
        return Summary(program)
    _, draft = min(own, key=lambda each: (BEST_FIRST.index(each[1]["status"]), -each[0]))
    code = draft["revisions"][-1]["code"]
    head = hashlib.sha256(code.encode()).hexdigest()
    verdicts = [run["verdict"]["outcome"] for run in raw["runs"] if run["code_hash"] == head]
    steps = sorted(draft["steps"], key=lambda step: int(step["order"]))
    return Summary(
        program,
        draft["status"],
        head,
        verdicts[-1] if verdicts else NO_VERDICT,
        tuple(_step_digest(step) for step in steps),
        tuple(names.get(step["category"], NO_CATEGORY) for step in steps),
    )


def _step_digest(step: Mapping[str, Any]) -> str:
    told = ("error_code", "error", "fix_info", "fixed_code", "kind", "subcategory")
    return _digest([step[name] for name in told])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
