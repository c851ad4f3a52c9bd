"""The queue of a dataset: its drafts with their newest verdict, filtered by anything shown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.functional import cached_property

from curation.enums import Difficulty, DraftStatus
from curation.models import Category, Dataset, Draft, Example, FixStep, Revision
from curation.queries import Sort
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


def count_of(sorts: Iterable[Sort], filters: Filters) -> int | None:
    """How many drafts `narrowed` leaves; None where counts by sort do not say it."""
    if filters.category or filters.assignee or filters.q:
        return None
    return sum(sort.number for sort in sorts if not sort.blind and _is_of(sort, filters))


def _is_of(sort: Sort, filters: Filters) -> bool:
    """As `narrowed` asks the database."""
    outcome, kind, reason = _parts(sort.judged)
    pairs = (
        (filters.status, sort.status),
        (filters.difficulty, sort.difficulty),
        (filters.outcome, outcome),
        (filters.kind, kind),
        (filters.reason, reason),
    )
    return all(not wanted or wanted == own for wanted, own in pairs)


def _parts(judged: str) -> tuple[str, str, str]:
    """Outcome, kind and reason of what a draft keeps; NOT_RUN where there is no verdict."""
    outcome, kind, reason = judged.split("/") if judged else (NOT_RUN, "", "")
    return outcome, kind, reason


def narrowed(drafts: Drafts, filters: Filters, words: "Words | None" = None) -> Drafts:
    """The drafts that match; `words` where a caller has looked for those of the filters already."""
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
        # By its id: how many steps it has tells the database how to look for them.
        slugs = Category.objects.filter(slug=filters.category)
        ids = list(slugs.values_list("pk", flat=True))
        steps = FixStep.objects.filter(category__in=ids, draft=OuterRef("pk"))
        drafts = drafts.filter(Exists(steps))
    if filters.assignee == NOBODY:
        drafts = drafts.filter(assignee=None)
    elif filters.assignee:
        drafts = drafts.filter(assignee__username=filters.assignee)
    return drafts.filter((words or words_of(filters.q)).condition)


# Words that are found more often are looked for draft by draft, in the order of the list: a page is
# full soon then, and to list them all would take seconds.
FREQUENT = 10_000


@dataclass(frozen=True, slots=True)
class Words:
    """What a person looks for, as a condition on drafts; `frequent` if counting them takes long."""

    condition: Q
    frequent: bool = False


def words_of(text: str) -> Words:
    """Where a person looks for words: names, the model, and the code of either side."""
    if not text:
        return Words(Q())
    found = _rarely_in(text)
    if found is not None:
        return Words(Q(pk__in=found))
    in_code = Revision.objects.filter(draft=OuterRef("pk"), code__icontains=text)
    columns = ("model", "example__example_id", "example__title", "example__pytorch_code")
    anywhere = Q(Exists(in_code))
    for column in columns:
        anywhere |= Q(**{f"{column}__icontains": text})
    return Words(anywhere, frequent=True)


def _rarely_in(text: str) -> set[int] | None:
    """Ids of the drafts that have these words; None where they are frequent.

    One search for each place, so that each uses its index: one condition over all would be looked
    at for every program. Found once for the count and the page.
    """
    named = Example.objects.filter(Q(example_id__icontains=text) | Q(title__icontains=text))
    reference = Example.objects.filter(pytorch_code__icontains=text)
    places: tuple[QuerySet[Any, int], ...] = (
        Revision.objects.filter(code__icontains=text).values_list("draft", flat=True),
        Draft.objects.filter(example__in=named.values("pk")).values_list("pk", flat=True),
        Draft.objects.filter(example__in=reference.values("pk")).values_list("pk", flat=True),
        Draft.objects.filter(model__icontains=text).values_list("pk", flat=True),
    )
    found: set[int] = set()
    for place in places:
        ids = list(place.order_by()[: FREQUENT + 1])
        if len(ids) > FREQUENT:
            return None
        found.update(ids)
    return found


class Pages(Paginator):  # type: ignore[type-arg]
    """The list a page at a time; `count` stops one behind `most` where it is not `known`.

    `asked` is the page as the address has it, which must be within reach.
    """

    COUNTED = 1_000

    def __init__(
        self, drafts: Drafts, per_page: int, asked: str, *, known: int | None, in_order: bool
    ) -> None:
        super().__init__(drafts, per_page)
        self.drafts, self.known, self.in_order = drafts, known, in_order
        page = int(asked[:9]) if asked.isascii() and asked.isdigit() else 1
        self.most = page * per_page if in_order else max(self.COUNTED, page * per_page)

    @cached_property
    def count(self) -> int:
        if self.known is not None:
            return self.known
        # Without the order the database would look through all of them for the first few.
        before = self.most - self.per_page if self.in_order else 0
        rows = self.drafts if self.in_order else self.drafts.order_by()
        found = len(rows.values_list("pk")[before : self.most + 1])
        if found or not before:
            return before + found
        return self.drafts.order_by().count()  # behind the end: this leads back to the last page

    @property
    def more(self) -> bool:
        """There are more than `most`; how many is not known."""
        return self.known is None and self.count > self.most


# What the list shows of a draft; other columns take longer to read than these.
_ROW_FIELDS = (
    *("role", "model", "status", "submitted_at", "example", "assignee__username"),
    *("example__example_id", "example__title", "example__difficulty", "example__not_runnable"),
)


def rows_of(drafts: Drafts) -> Drafts:
    """The same with no more than the list shows."""
    return drafts.only(*_ROW_FIELDS)


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


def facets(sorts: Iterable[Sort], filters: Filters) -> list[Facet]:
    """The filters with counts over the whole dataset.

    Kinds of failure and reasons are offered once their outcome is chosen.
    """
    found: dict[str, Counter[str]] = {each.name: Counter() for each in fields(Filters)}
    for sort in sorts:
        if sort.blind:
            continue
        outcome, kind, reason = _parts(sort.judged)
        found["status"][sort.status] += sort.number
        found["difficulty"][sort.difficulty] += sort.number
        found["outcome"][outcome] += sort.number
        found["kind"][kind] += sort.number
        found["reason"][reason] += sort.number
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


def assignees(dataset: Dataset) -> list[str]:
    """Names of those who have a draft of a dataset that all its members may see."""
    held = Draft.objects.filter(example__dataset=dataset, blind=False, assignee=OuterRef("pk"))
    names = User.objects.filter(Exists(held)).order_by("username")
    return list(names.values_list("username", flat=True))
