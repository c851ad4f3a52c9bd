"""What a changed ledger makes of a draft: its steps replayed one after the other.

Pure: from the draft's code and the wanted steps to the codes of the revisions, and for each step
where it stands. A step that no longer applies is kept, without the revisions around it changing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from curation import ledger
from curation.enums import Located
from curation.importers.replay import is_placeholder


@dataclass(frozen=True, slots=True)
class StepState:
    """A step as the ledger is to hold it. `pk` None is a step that is not there yet."""

    error_code: str
    fixed_code: str
    error: str = ""
    traceback: str = ""
    fix_info: str = ""
    category_id: int | None = None
    subcategory_id: int | None = None
    kind: str = "behaviour"
    seconds: int = 0
    author_id: int | None = None
    pk: int | None = None
    # Its Fixed_Code is no code to put in place ("see the fixed output"): it stays unapplied.
    inert: bool = False

    def as_new(self) -> "StepState":
        """The same step for another draft's ledger."""
        return replace(self, pk=None)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a step stands: revision numbers, and its span in `before`. `after` None: it does not
    apply."""

    state: StepState
    located: Located
    before: int | None
    after: int | None
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """All codes, the draft's first; `final` says that the last one is an imported fixed output."""

    codes: tuple[str, ...]
    steps: tuple[Placed, ...]
    final: bool


def rewrite(
    draft_code: str, states: Sequence[StepState], *, reference: str = "", final: str | None = None
) -> Rewritten:
    """Replay `states` on `draft_code`; `final` is kept behind them unless they reach it."""
    codes = [draft_code]
    steps = []
    for state in states:
        placed = _place(state, codes, reference)
        if placed.after is not None:
            assert placed.start is not None and placed.end is not None
            codes.append(ledger.apply(codes[-1], placed.start, placed.end, state.fixed_code))
        steps.append(placed)
    ends_otherwise = final is not None and codes[-1] != final
    if final is not None and ends_otherwise:
        codes.append(final)
    return Rewritten(tuple(codes), tuple(steps), ends_otherwise)


def _place(state: StepState, codes: list[str], reference: str) -> Placed:
    code, last = codes[-1], len(codes) - 1
    if state.error_code == code:  # the whole program, be it empty
        return Placed(state, Located.EXACT, last, last + 1, 0, len(code))
    found = ledger.locate(state.error_code, code, reference)
    exact = found.located == Located.EXACT and ledger.stands_once(state.error_code, code)
    applies = exact and not state.inert and state.error_code != state.fixed_code
    nowhere = found.located in (Located.ABSENT, Located.TARGETS_INPUT)
    return Placed(
        state=state,
        located=found.located,
        before=None if nowhere else last,
        after=last + 1 if applies else None,
        start=found.start,
        end=found.end,
    )


def is_inert(fixed_code: str, applied: bool) -> bool:
    return not applied and is_placeholder(fixed_code)


def merged(first: StepState, second: StepState, before: str, after: str) -> StepState | None:
    """One step for two neighbours; None when together they change nothing."""
    change = ledger.propose(before, after)
    if change is None:
        return None
    return replace(
        first,
        error_code=change.error_code,
        fixed_code=change.fixed_code,
        error=_joined(first.error, second.error),
        traceback=_joined(first.traceback, second.traceback),
        fix_info=_joined(first.fix_info, second.fix_info),
        seconds=first.seconds + second.seconds,
    )


def _joined(first: str, second: str) -> str:
    return first if first == second or not second else f"{first}\n{second}".lstrip("\n")


def parts_of(state: StepState, codes: Sequence[str]) -> list[StepState]:
    """The steps from each of `codes` to the next; the first is the old step, cut down.

    What was said stays with every part; the time stays with the first.
    """
    states = []
    for number, (before, after) in enumerate(pairwise(codes)):
        change = ledger.propose(before, after)
        assert change is not None, "the caller gives codes that differ"
        own = state if number == 0 else replace(state, pk=None, seconds=0)
        states.append(
            replace(own, error_code=change.error_code, fixed_code=change.fixed_code, inert=False)
        )
    return states
