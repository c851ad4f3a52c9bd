"""What of a dataset leaves the house, example by example, and why the rest does not."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curation import ledger
from curation.enums import DraftStatus
from curation.held import HeldDraft, HeldExample, HeldRevision, read
from curation.models import Attachment, Dataset
from curation.records import Record, best_first, record_with
from executor.contracts import hash_over, runtime_hash, runtime_or_default
from executor.enums import RunState
from executor.models import Run
from executor.parity.contract import ContractError
from executor.parity.outcome import Outcome
from scoring.exporters.base import Tally
from scoring.exporters.options import Only
from scoring.exporters.splits import split_of

# Examples read at a time: what an export holds in memory.
CHUNK = 100

NO_DRAFT = "without a draft"
NOT_APPROVED = "not approved by a second person"
NO_REPLAY = "whose steps do not replay to the newest revision"
NO_VERDICT = "whose newest revision has no verdict yet"
NOT_PASSING = "whose newest revision does not pass"
STALE = "whose verdict is of an older contract, engine or runtime: run them again"
ON_TRUST = "approved without a pass: --only approved takes them, with the written reason"


@dataclass(frozen=True, slots=True)
class Item:
    """An example that is exported: the draft that stands for it, and the verdicts on its code.

    The steps are the draft's; `record` has none. `outcomes` are by the hash of the code, under the
    present contract and packages.
    """

    example: HeldExample
    draft: HeldDraft
    record: Record
    outcomes: Mapping[str, str]

    @property
    def revisions(self) -> Sequence[HeldRevision]:
        return self.draft.revisions

    @property
    def fixed(self) -> str:
        """The repaired program: the newest revision."""
        return self.record.final_code


@dataclass(frozen=True, slots=True)
class Part:
    """The examples of one split, or all of them (`name` "")."""

    name: str = ""
    examples: Collection[str] | None = None

    def has(self, example: HeldExample) -> bool:
        return self.examples is None or example.example_id in self.examples

    def file(self, stem: str, ending: str) -> str:
        return f"{stem}-{self.name}{ending}" if self.name else f"{stem}{ending}"


def parts_of(dataset: Dataset, split: str) -> list[Part]:
    """The whole, or its splits. They are over all examples, whatever is left out of them."""
    if not split:
        return [Part()]
    found = defaultdict(set)
    for name, (part, _) in split_of(_programs(dataset)).items():
        found[part].add(name)
    return [Part(part, found.get(part, set())) for part in ("train", "validation", "test")]


def groups_of(dataset: Dataset) -> dict[str, str]:
    """The group of near-duplicates of each example, by Example_id."""
    return {name: group for name, (_, group) in split_of(_programs(dataset)).items()}


def _programs(dataset: Dataset) -> Iterator[tuple[str, str]]:
    rows = dataset.examples.values_list("example_id", "pytorch_code").order_by("example_id")
    return rows.iterator(chunk_size=CHUNK)


# Why an item does not fit a format; "" when it does.
Unfit = Callable[[Item], str]


@dataclass(frozen=True, slots=True)
class Selection:
    """A dataset's examples under a choice of drafts; `judged` looks the verdicts up in any case.

    Each pass counts into `tally` what it gives and what it leaves out. With `ends`, which fits
    Only.ALL alone, drafts have no revisions between the first and the fixed one.
    """

    dataset: Dataset
    only: Only
    tally: Tally
    judged: bool = False
    ends: bool = False
    unfit: Unfit = field(default=lambda _: "")

    def items(self, part: Part = Part()) -> Iterator[Item]:
        for item, reason in self.judgements(part):
            if reason:
                self.tally.left_out[reason] += 1
            elif item is not None:
                self._count(item, part)
                yield item

    def judgements(self, part: Part = Part()) -> Iterator[tuple[Item | None, str]]:
        """Every example of a part: what is exported of it, or why nothing is."""
        needs_verdicts = self.judged or self.only != Only.ALL
        for chunk in read(self.dataset.examples.all(), CHUNK, ends=self.ends):
            mine = [example for example in chunk if part.has(example)]
            verdicts = _Verdicts.of(mine) if needs_verdicts else _Verdicts()
            for example in mine:
                yield self._judge(example, verdicts)
            del chunk, mine  # the next ones are read while names still hold these

    def _judge(self, example: HeldExample, verdicts: "_Verdicts") -> tuple[Item | None, str]:
        reasons = []
        for draft in best_first(example.drafts):
            item = _item(example, draft, verdicts, whole=self.only != Only.ALL)
            reason = self._why_not(item, verdicts) or self.unfit(item)
            if not reason:
                return item, ""
            reasons.append(reason)
        return None, reasons[0] if reasons else NO_DRAFT

    def _why_not(self, item: Item, verdicts: "_Verdicts") -> str:
        if self.only == Only.ALL:
            return ""
        if self.only == Only.APPROVED and item.draft.status != DraftStatus.APPROVED:
            return NOT_APPROVED
        if not replays(item):
            return NO_REPLAY
        on_trust = item.draft.status == DraftStatus.APPROVED and bool(item.draft.approval_reason)
        if self.only == Only.APPROVED and on_trust:
            return ""
        reason = _why_no_pass(item, verdicts)
        return ON_TRUST if reason and on_trust else reason

    def _count(self, item: Item, part: Part) -> None:
        self.tally.examples += 1
        self.tally.steps += len(item.draft.steps)
        if part.name:
            self.tally.splits[part.name] += 1
        if sum(draft.original_id is None for draft in item.example.drafts) > 1:
            self.tally.notes["with several drafts: the one nearest to approved, then newest"] += 1


def _why_no_pass(item: Item, verdicts: "_Verdicts") -> str:
    head = item.revisions[-1].sha256
    outcome = item.outcomes.get(head)
    if outcome is None:
        return STALE if head in verdicts.stale[item.example.pk] else NO_VERDICT
    return "" if outcome == Outcome.PASS else NOT_PASSING


def _item(example: HeldExample, draft: HeldDraft, verdicts: "_Verdicts", *, whole: bool) -> Item:
    # What leaves replays and passes: its newest revision is the end.
    final = draft.revisions[-1].code if whole else None
    record = record_with(example, draft, final, steps=False)
    return Item(example, draft, record, verdicts.fresh[example.pk])


def replays(item: Item) -> bool:
    """Whether the steps lead from the draft to the newest revision, one after the other."""
    codes = {revision.pk: revision.code for revision in item.revisions}
    at = item.revisions[0].pk
    for step in item.draft.steps:
        if step.after_id is None or step.before_id != at or step.span_start is None:
            return False
        assert step.span_end is not None, "the database keeps both ends or none"
        before = codes[at]
        if before[step.span_start : step.span_end] != step.error_code:
            return False
        done = ledger.apply(before, step.span_start, step.span_end, step.fixed_code)
        at = step.after_id
        if codes[at] != done:
            return False
    return at == item.revisions[-1].pk


@dataclass(slots=True)
class _Verdicts:
    """Outcomes by example and code, and the codes whose only verdicts are stale."""

    fresh: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    stale: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, examples: list[HeldExample]) -> "_Verdicts":
        found, usual = cls(), runtime_or_default(None)
        files = _files(examples)
        contracts = {each.pk: _contract(each, files[each.pk]) for each in examples}
        packages: dict[str, str] = {}
        runs = Run.objects.filter(
            example__in=contracts, state=RunState.FINISHED, verdict__isnull=False
        ).order_by("id")
        columns = ("example_id", "code_hash", "contract_hash", "runtime", "runtime_hash")
        preferred: set[tuple[int, str]] = set()
        for pk, code, contract, runtime, stamp, outcome in runs.values_list(
            *columns, "verdict__outcome"
        ):
            if runtime not in packages:
                packages[runtime] = runtime_hash(runtime)
            if contract != contracts[pk] or stamp != packages[runtime]:
                found.stale[pk].add(code)
            # The word of the runtime that is asked by default counts before any other's.
            elif runtime == usual or (pk, code) not in preferred:
                found.fresh[pk][code] = outcome
                preferred |= {(pk, code)} if runtime == usual else set()
        return found


def _files(examples: list[HeldExample]) -> dict[int, dict[str, bytes]]:
    """The data files of each example, by name."""
    found: dict[int, dict[str, bytes]] = defaultdict(dict)
    having = [example.pk for example in examples if example.attachments]
    if having:
        files = Attachment.objects.filter(example__in=having)
        for pk, name, content in files.values_list("example_id", "name", "content"):
            found[pk][name] = bytes(content)
    return found


def _contract(example: HeldExample, files: Mapping[str, bytes]) -> str:
    try:
        return hash_over(example.pytorch_code, example.contract, files)
    except ContractError:  # a stored contract that is none: no verdict is of it
        return ""


def about_draft(item: Item) -> dict[str, Any]:
    """Where an exported draft comes from, as files for training tell it."""
    return {
        "example_id": item.record.example_id,
        "source": item.record.source,
        "licence": item.record.licence,
        "approval_reason": item.record.approval_reason,
    }
