"""Change the taxonomy, after a look at what changes, and take it back.

The taxonomy is one for all datasets. A change that touches steps takes the role lead in every
dataset that has such steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from curation.enums import MemberRole
from curation.models import AuditEvent, Category, Dataset, FixStep, Membership, Subcategory
from curation.permissions import Person, visible
from curation.services.audit import Actor, record
from curation.services.taxonomy_changes import Operation, Place, TaxonomyRefused, steps_of
from curation.services.taxonomy_memory import move_back, moves, places, restore_rows, rows

UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class DatasetSteps:
    """How many steps of a dataset a change touches; `may`: whether the person leads it."""

    dataset: Dataset
    steps: int
    may: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What an operation does, or would do. `title` says it in words; `refused` why it cannot."""

    title: str
    steps: int
    datasets: tuple[DatasetSteps, ...]
    hidden: int
    refused: str = ""


def may_edit(user: Person) -> bool:
    """Whether the person leads a dataset; which changes they may make depends on the steps."""
    return bool(_led(user).exists())


def preview(operation: Operation, *, by: User) -> Change:
    """What `apply` would do, and why it would refuse; nothing is changed."""
    with transaction.atomic():
        change = _look(operation, by)
        try:
            operation.do()
            refused = _refusal(change)
        except TaxonomyRefused as error:
            refused = str(error)
        finally:
            transaction.set_rollback(True)
    return Change(change.title, change.steps, change.datasets, change.hidden, refused)


@transaction.atomic
def apply(operation: Operation, *, by: User) -> AuditEvent:
    """Do it.

    Raises:
        TaxonomyRefused: it cannot be done, or touches steps of a dataset that `by` does not lead.
    """
    _lock()
    if not may_edit(by):
        raise TaxonomyRefused("The taxonomy is changed by those who lead a dataset.")
    change = _look(operation, by)
    if refused := _refusal(change):
        raise TaxonomyRefused(refused)
    was, were = rows(), places(operation.touches())
    operation.do()
    event = AuditEvent.objects.create(
        actor=by,
        action=operation.action,
        target_type="taxonomy",
        target=change.title[:300],
        data={
            "steps": change.steps,
            "datasets": [each.dataset.pk for each in change.datasets],
            "rows_was": was,
            "rows_now": rows(),
            "moves": moves(were),
        },
    )
    _tell_datasets(change.datasets, change.title, event, by)
    return event


@transaction.atomic
def undo(event: AuditEvent, *, by: User) -> None:
    """Take a change of the taxonomy back, whenever it was.

    Raises:
        TaxonomyRefused: a later change stands, it was taken back already, or `by` may not.
    """
    _lock()
    if event.target_type != "taxonomy" or "rows_was" not in event.data:
        raise TaxonomyRefused("There is nothing to take back here.")
    if event.pk not in undoable():
        raise TaxonomyRefused("This was taken back already, or a later change stands on it.")
    touched = Dataset.objects.filter(pk__in=event.data["datasets"])
    if not may_edit(by) or touched.exclude(pk__in=_led(by)).exists():
        raise TaxonomyRefused("This touches steps of a dataset that you do not lead.")
    move_back(event.data["moves"])
    restore_rows(event.data["rows_was"])
    told = [DatasetSteps(dataset, event.data["steps"], may=True) for dataset in touched]
    _tell_datasets(told, f"Taken back: {event.target}", event, by)
    AuditEvent.objects.create(
        actor=by,
        action=UNDONE,
        target_type=event.target_type,
        target=event.target,
        data={"event": event.pk, "action": event.action},
    )


def history() -> QuerySet[AuditEvent]:
    """Changes of the taxonomy, the newest first, with what was taken back."""
    events = AuditEvent.objects.filter(target_type="taxonomy").select_related("actor")
    return events.defer("data").order_by("-pk")


def undoable() -> set[int]:
    """Of all changes the newest that stands: earlier ones are its ground."""
    events = AuditEvent.objects.filter(target_type="taxonomy")
    taken = list(events.filter(action=UNDONE).values_list("data__event", flat=True))
    stands = events.exclude(action=UNDONE).exclude(pk__in=taken).order_by("-pk")
    return set(stands.values_list("pk", flat=True)[:1])


def current(category: int | None, subcategory: int | None) -> tuple[int | None, int | None]:
    """The ids that a step's category and subcategory of earlier times have now."""
    old = Subcategory.ever.filter(pk=subcategory or 0).select_related("merged_into").first()
    now = old.merged_into if old is not None and old.retired else old
    if now is not None:
        return now.category_id, now.pk
    of = Category.ever.filter(pk=category or 0).first()
    return (of.merged_into_id or of.pk if of is not None else None), None


def step_counts(datasets: QuerySet[Dataset]) -> dict[tuple[int | None, int | None], int]:
    """How many steps of these datasets are at each (category, subcategory)."""
    steps = FixStep.objects.filter(draft__example__dataset__in=datasets, draft__blind=False)
    counted = steps.order_by().values_list("category", "subcategory").annotate(n=Count("pk"))
    return {(category, subcategory): number for category, subcategory, number in counted}


def steps_at(place: Place, user: Person, text: str = "") -> QuerySet[FixStep]:
    """The steps at a place in datasets that a person leads, those with `text` in their words or
    code."""
    steps = FixStep.objects.filter(steps_of(place), draft__example__dataset__in=_led(user))
    if text:
        fields = ("error", "fix_info", "error_code", "fixed_code")
        found = Q()
        for name in fields:
            found |= Q(**{f"{name}__icontains": text})
        steps = steps.filter(found)
    return steps.filter(draft__blind=False).order_by("pk")


def _led(user: Person) -> QuerySet[Dataset]:
    """The datasets in which the person is lead or more."""
    if isinstance(user, User) and user.is_superuser:
        return Dataset.objects.all()
    leading = [MemberRole.LEAD, MemberRole.ADMIN]
    own = Membership.objects.filter(user=user.pk, role__in=leading).values("dataset")
    return Dataset.objects.filter(Q(everyone__in=leading) | Q(pk__in=own))


def _lock() -> None:
    """One change of the taxonomy at a time."""
    list(Category.ever.select_for_update().order_by("pk").values_list("pk"))


def _look(operation: Operation, by: User) -> Change:
    touched = FixStep.objects.filter(operation.touches()).order_by()
    counts = dict(touched.values_list("draft__example__dataset").annotate(n=Count("pk")))
    led = set(_led(by).values_list("pk", flat=True))
    seen = visible(by).filter(pk__in=counts).order_by("title")
    told = tuple(DatasetSteps(each, counts[each.pk], each.pk in led) for each in seen)
    shown = sum(each.steps for each in told)
    total = sum(counts.values())
    return Change(operation.title(), total, told, total - shown)


def _refusal(change: Change) -> str:
    """Why the person may not do it, or nothing."""
    foreign = [f"“{each.dataset.title}”" for each in change.datasets if not each.may]
    if change.hidden:
        foreign.append("a dataset that you are no member of")
    if not foreign:
        return ""
    return (
        f"It touches steps of {', '.join(foreign)}, which you do not lead. Ask its lead or an "
        "administrator to do it."
    )


def _tell_datasets(
    datasets: Iterable[DatasetSteps], title: str, event: AuditEvent, by: Actor
) -> None:
    """Each dataset's own history says what became of its steps."""
    for each in datasets:
        record(
            "taxonomy.applied",
            each.dataset,
            dataset=each.dataset,
            by=by,
            change=title,
            steps=each.steps,
            event=event.pk,
        )
