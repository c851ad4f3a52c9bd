"""The queue of a dataset: its drafts with their newest verdict, filtered by anything shown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from curation.enums import Difficulty, DraftStatus
from curation.models import Dataset, Draft, Example, FixStep, Revision
from executor.models import Run
from executor.parity.outcome import Kind, Outcome, Reason
from executor.queries import Freshness

NOT_RUN = "none"
# No user name has parentheses.
NOBODY = "(nobody)"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the queue is narrowed to; empty means all. Unknown values are taken as empty."""

    status: str = ""
    difficulty: str = ""
    outcome: str = ""
    kind: str = ""
    reason: str = ""
    category: str = ""
    assignee: str = ""
    q: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        known: dict[str, Iterable[str]] = {
            "status": DraftStatus.values,
            "difficulty": Difficulty.values,
            "outcome": [*Outcome, NOT_RUN],
            "kind": list(Kind),
            "reason": list(Reason),
        }
        values = {each.name: query.get(each.name, "") for each in fields(cls)}
        for name, allowed in known.items():
            if values[name] not in allowed:
                values[name] = ""
        for name in ("category", "assignee", "q"):
            values[name] = values[name].replace("\0", "").strip()[:200]
        return cls(**values)

    def items(self) -> list[tuple[str, str]]:
        """What is narrowed to, as a query takes it."""
        return [(each.name, value) for each in fields(self) if (value := getattr(self, each.name))]

    @property
    def any(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter, with how many drafts of the dataset have it."""

    value: str
    label: str
    count: int


@dataclass(slots=True)
class Facet:
    """A filter as it is shown: its query parameter, name and values."""

    name: str
    label: str
    chosen: str
    choices: list[Choice] = field(default_factory=list)


Drafts = QuerySet[Draft]


def drafts_of(dataset: Dataset) -> Drafts:
    """Every draft of a dataset that all its members may see, in the order of the examples."""
    return (
        Draft.objects.filter(example__dataset=dataset, blind=False)
        .select_related("example", "assignee")
        .defer("raw_answer", "example__pytorch_code")
        .order_by("example__position", "example_id", "id")
    )


def verdict_counts(drafts: Drafts) -> Counter[tuple[str, str, str]]:
    """How many drafts have each (outcome, kind, reason); outcome NOT_RUN where there is none."""
    counted = drafts.order_by().values_list("judged").annotate(number=Count("pk"))
    counts: Counter[tuple[str, str, str]] = Counter()
    for judged, number in counted:
        outcome, kind, reason = judged.split("/") if judged else (NOT_RUN, "", "")
        counts[outcome, kind, reason] += number
    return counts


def narrowed(drafts: Drafts, filters: Filters) -> Drafts:
    if filters.status:
        drafts = drafts.filter(status=filters.status)
    if filters.difficulty:
        drafts = drafts.filter(example__difficulty=filters.difficulty)
    if filters.outcome == NOT_RUN:
        drafts = drafts.filter(judged="")
    elif filters.outcome:
        drafts = drafts.filter(judged__startswith=f"{filters.outcome}/")
    if filters.kind:
        drafts = drafts.filter(judged__contains=f"/{filters.kind}/")
    if filters.reason:
        drafts = drafts.filter(judged__endswith=f"/{filters.reason}")
    if filters.category:
        steps = FixStep.objects.filter(category__slug=filters.category, draft=OuterRef("pk"))
        drafts = drafts.filter(Exists(steps))
    if filters.assignee == NOBODY:
        drafts = drafts.filter(assignee=None)
    elif filters.assignee:
        drafts = drafts.filter(assignee__username=filters.assignee)
    return drafts.filter(_matches(filters.q)) if filters.q else drafts


def _matches(text: str) -> Q:
    """Where a person looks for words: names, the model, and the code of either side."""
    # Sets of ids rather than a look at each draft: these use the index over the code.
    in_code = Revision.objects.filter(code__icontains=text).values("draft")
    in_reference = Example.objects.filter(pytorch_code__icontains=text).values("pk")
    return (
        Q(example__example_id__icontains=text)
        | Q(example__title__icontains=text)
        | Q(model__icontains=text)
        | Q(example__in=in_reference)
        | Q(pk__in=in_code)
    )


def with_runs(drafts: Iterable[Draft]) -> list[Any]:
    """The drafts of one page, each with `step_count` and `run`: the newest run of its newest
    revision that is not stale, else the newest stale one, else None."""
    shown: list[Any] = list(drafts)
    ids = [draft.pk for draft in shown]
    counted = FixStep.objects.filter(draft__in=ids).order_by().values_list("draft")
    steps = dict(counted.annotate(number=Count("pk")))
    runs = _runs_of(shown, heads_of(ids))
    for draft in shown:
        draft.step_count = steps.get(draft.pk, 0)
        draft.run = runs.get(draft.pk)
    return shown


def heads_of(drafts: Sequence[int]) -> dict[int, str]:
    """The hash of the newest revision of each draft."""
    newest = Revision.objects.filter(draft__in=drafts).order_by("draft_id", "-number")
    return dict(newest.distinct("draft_id").values_list("draft_id", "sha256"))


# What the list shows; the other columns of many rows take longer than the rest of the page.
_RUN_FIELDS = (
    "example_id",
    "code_hash",
    "contract_hash",
    "runtime",
    "runtime_hash",
    "state",
    "verdict__outcome",
    "verdict__kind",
    "verdict__reason",
)


def _runs_of(drafts: Sequence[Draft], heads: dict[int, str]) -> dict[int, Run]:
    found: dict[tuple[int, str], Run] = {}
    examples = {draft.example_id for draft in drafts}
    runs = Run.objects.filter(example__in=examples, code_hash__in=set(heads.values()))
    runs = runs.select_related("verdict").only(*_RUN_FIELDS).order_by("pk")
    fresh = Freshness({run.example_id for run in runs})
    for run in runs:
        run.stale = fresh.is_stale(run)
        known = found.get((run.example_id, run.code_hash))
        if known is None or known.stale or not run.stale:
            found[run.example_id, run.code_hash] = run
    keys = {draft.pk: (draft.example_id, heads.get(draft.pk, "")) for draft in drafts}
    return {pk: found[key] for pk, key in keys.items() if key in found}


def facets(drafts: Drafts, filters: Filters) -> list[Facet]:
    """The filters with counts over the whole dataset, in two queries.

    Kinds of failure and reasons are offered once their outcome is chosen.
    """
    found: dict[str, Counter[str]] = {each.name: Counter() for each in fields(Filters)}
    plain = drafts.order_by().values_list("status", "example__difficulty")
    for status, difficulty, number in plain.annotate(number=Count("pk")):
        found["status"][status] += number
        found["difficulty"][difficulty] += number
    for (outcome, kind, reason), number in verdict_counts(drafts).items():
        found["outcome"][outcome] += number
        found["kind"][kind] += number
        found["reason"][reason] += number
    labels: list[tuple[str, str, list[tuple[str, str]]]] = [
        ("status", "Status", list(DraftStatus.choices)),
        ("difficulty", "Difficulty", list(Difficulty.choices)),
        ("outcome", "Verdict", [*((o.value, o.value.capitalize()) for o in Outcome), _NOT_RUN]),
    ]
    if filters.outcome == Outcome.FAIL or filters.kind:
        labels.append(("kind", "Failure", [(k.value, k.replace("_", " ")) for k in Kind]))
    if filters.outcome == Outcome.UNDECIDED or filters.reason:
        labels.append(("reason", "Reason", [(r.value, r.replace("_", " ")) for r in Reason]))
    return [
        Facet(
            name,
            label,
            getattr(filters, name),
            [Choice(v, text, found[name][v]) for v, text in values if found[name][v]],
        )
        for name, label, values in labels
    ]


_NOT_RUN = (NOT_RUN, "Not run")


def assignees(drafts: Drafts) -> list[str]:
    """Names of those who have a draft of these."""
    names = drafts.order_by("assignee__username").values_list("assignee__username", flat=True)
    return list(names.filter(assignee__isnull=False).distinct())
