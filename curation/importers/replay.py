"""From a record's draft and steps to the revisions that they make: what anchors, what replays."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from curation import ledger
from curation.enums import Located
from curation.records import Record, StepRecord

# Which of two ways a step was found says more.
BEST_FIRST = (
    Located.EXACT,
    Located.WHITESPACE,
    Located.AMBIGUOUS,
    Located.TARGETS_INPUT,
    Located.FUZZY,
    Located.ABSENT,
)
_ALTERNATIVES = re.compile(r"\A\s*(?:#\s*)?option\s*1\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """Where a step stands. `before` and `after` are revision numbers; the span is in `before`."""

    step: StepRecord
    located: Located
    before: int | None = None
    after: int | None = None
    start: int | None = None
    end: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The codes of all revisions, the draft first, and the steps between them.

    `final` says that the last revision is the file's fixed output, which the steps do not reach.
    `changed` lines differ between the draft and the fixed output; of them the steps account for
    `explained`.
    """

    codes: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    final: bool
    changed: int = 0
    explained: int = 0


def plan(record: Record) -> Plan:
    """Place every step of `record`, and replay those that stand exactly once.

    A Fixed_Code that is empty, only comments, or a choice of options may mean a deletion or "see
    the fixed output". It is taken at its word only when every step then leads to the fixed output.
    """
    literal = _replay(record, literally=True)
    if _explains(literal, record) or not any(is_placeholder(s.fixed_code) for s in record.steps):
        chosen = literal
    else:
        chosen = _replay(record, literally=False)
    final = bool(record.final_code) and not _explains(chosen, record)
    codes = (*chosen.codes, record.final_code) if final else chosen.codes
    return Plan(codes, chosen.steps, final, *_share_explained(chosen, record))


def _share_explained(found: Plan, record: Record) -> tuple[int, int]:
    """Lines that the fixed output adds to the draft or takes from it, and those of them that steps
    add or take. Where lines stand is not looked at, so that moving one costs nothing.
    """
    if not record.final_code:
        return 0, 0
    taken, added = _difference(record.draft_code, record.final_code)
    by_steps = [_lines_of(step, found.codes) for step in found.steps]
    explained = (taken & _total(part for part, _ in by_steps)).total()
    explained += (added & _total(part for _, part in by_steps)).total()
    return taken.total() + added.total(), explained


def _total(parts: Iterable[Counter[str]]) -> Counter[str]:
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(part)
    return whole


def _difference(before: str, after: str) -> tuple[Counter[str], Counter[str]]:
    """Lines only in `before`, and lines only in `after`."""
    old, new = _lines(before), _lines(after)
    return old - new, new - old


def _lines(code: str) -> Counter[str]:
    return Counter(line.strip() for line in code.splitlines() if line.strip())


def _lines_of(step: PlannedStep, codes: tuple[str, ...]) -> tuple[Counter[str], Counter[str]]:
    """Lines that a step takes and adds: where it stands, and as it says where it stands nowhere."""
    text = step.step
    if step.before is None or step.start is None or step.end is None:
        return _difference(text.error_code, text.fixed_code)
    code = codes[step.before]
    first = code.rfind("\n", 0, step.start) + 1
    last = code.find("\n", step.end)
    last = len(code) if last < 0 else last
    after = code[first : step.start] + text.fixed_code + code[step.end : last]
    return _difference(code[first:last], after)


def _explains(found: Plan, record: Record) -> bool:
    """Whether all steps replayed and ended at the fixed output."""
    return (
        bool(found.steps)
        and all(step.after is not None for step in found.steps)
        and found.codes[-1] == record.final_code
    )


def is_placeholder(fixed_code: str) -> bool:
    lines = [line.strip() for line in fixed_code.splitlines()]
    only_comments = all(not line or line.startswith("#") for line in lines)
    return only_comments or bool(_ALTERNATIVES.match(fixed_code))


def _replay(record: Record, *, literally: bool) -> Plan:
    codes = [record.draft_code]
    steps = []
    for step in record.steps:
        placed = _place(step, codes, record.pytorch_code)
        last = len(codes) - 1
        if placed.located == Located.EXACT and placed.before == last:
            if literally or not is_placeholder(step.fixed_code):
                assert placed.start is not None and placed.end is not None
                codes.append(ledger.apply(codes[-1], placed.start, placed.end, step.fixed_code))
                placed = _with(placed, after=last + 1)
            else:
                placed = _with(placed, note="Fixed_Code is no code to put in its place")
        steps.append(placed)
    return Plan(tuple(codes), tuple(steps), final=False)


def _place(step: StepRecord, codes: list[str], reference: str) -> PlannedStep:
    """Look in the newest revision first, then in the draft, which some files quote throughout."""
    last = len(codes) - 1
    found = [(last, ledger.locate(step.error_code, codes[last], reference))]
    if last > 0 and found[0][1].located != Located.EXACT:
        found.append((0, ledger.locate(step.error_code, codes[0], reference)))
    number, location = min(found, key=lambda item: BEST_FIRST.index(item[1].located))
    nowhere = location.located in (Located.ABSENT, Located.TARGETS_INPUT)
    return PlannedStep(
        step=step,
        located=location.located,
        before=None if nowhere else number,
        start=location.start,
        end=location.end,
        note=_note(step, location.located, in_draft=number == 0 and last > 0),
    )


def _note(step: StepRecord, located: Located, *, in_draft: bool) -> str:
    where = "the draft, not the code after the steps before" if in_draft else "the code before it"
    if not step.error_code.strip():
        return "Error_Code is empty"
    return {
        Located.EXACT: f"Error_Code stands in {where}" if in_draft else "",
        Located.WHITESPACE: f"Error_Code stands in {where} with other white space or comments",
        Located.FUZZY: f"Error_Code is only similar to text in {where}",
        Located.AMBIGUOUS: f"Error_Code stands in several places of {where}",
        Located.ABSENT: "Error_Code stands neither in the draft nor in the code before it",
        Located.TARGETS_INPUT: "Error_Code quotes the PyTorch input, not the draft",
    }[located]


def _with(placed: PlannedStep, *, after: int | None = None, note: str = "") -> PlannedStep:
    return PlannedStep(
        placed.step, placed.located, placed.before, after, placed.start, placed.end, note
    )
