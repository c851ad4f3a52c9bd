"""Edit the taxonomy: rename, add, merge, split, dissolve, move; look first; take it back.

The taxonomy is one for all datasets. A change that touches steps takes the role lead in every
dataset that has such steps. What is merged or renamed stays behind as a retired row, so that old
names and old ids lead to what it is now.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.utils.text import slugify

from curation.enums import MemberRole
from curation.models import AuditEvent, Category, Dataset, FixStep, Membership, Subcategory
from curation.permissions import Person, visible
from curation.services.audit import Actor, record

Item = Category | Subcategory
UNDONE = "undone"
NAME_LENGTH = 100


class TaxonomyRefused(Exception):
    """Why the taxonomy was not changed; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step can be: a category, or one of its subcategories."""

    category: Category
    subcategory: Subcategory | None = None

    @property
    def item(self) -> Item:
        return self.subcategory or self.category

    @property
    def name(self) -> str:
        return f"{self.category} / {self.subcategory}" if self.subcategory else str(self.category)


class Operation(Protocol):
    """A change of the taxonomy. `title` and `touches` are asked before `do`."""

    action: str

    def title(self) -> str:
        """The change in words."""

    def touches(self) -> Q:
        """The steps whose category changes, or reads differently."""

    def do(self) -> None:
        """
        Raises:
            TaxonomyRefused: it cannot be done.
        """


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


@dataclass(frozen=True, slots=True)
class Words:
    """A new name and description of an item."""

    item: Item
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Rename:
    """New names and descriptions, any number at once; they may change places."""

    words: Sequence[Words]
    action = "taxonomy.renamed"

    def _changed(self) -> list[Words]:
        return [w for w in self.words if (w.name, w.description) != _words_of(w.item)]

    def title(self) -> str:
        renamed = [f"“{w.item}” to “{w.name}”" for w in self._changed() if w.name != w.item.name]
        if renamed:
            return f"Rename {', '.join(renamed)}"
        return "Describe " + (", ".join(f"“{w.item}”" for w in self._changed()) or "nothing")

    def touches(self) -> Q:
        return _in_any(w.item for w in self._changed())

    def do(self) -> None:
        changed = self._changed()
        if not changed:
            raise TaxonomyRefused("Every name and description is as it was: nothing to change.")
        # Names may change places: none may be in the way of another while they do.
        for words in changed:
            _all(words.item).filter(pk=words.item.pk).update(name=f"~{words.item.pk}")
        for words in changed:
            _check_name(words.item, words.name)
            _all(words.item).filter(pk=words.item.pk).update(
                name=words.name, description=words.description, edited=True
            )
            if words.item.name.lower() != words.name.lower():
                _remember(words.item, words.item.name)


@dataclass(frozen=True, slots=True)
class Add:
    """A new category, or a new subcategory of `category`."""

    name: str
    description: str = ""
    category: Category | None = None
    action = "taxonomy.added"

    def title(self) -> str:
        where = f" to “{self.category}”" if self.category else ""
        kind = "subcategory" if self.category else "category"
        return f"Add the {kind} “{self.name}”{where}"

    def touches(self) -> Q:
        return _NOTHING

    def do(self) -> None:
        _new(self.name, self.description, self.category)


@dataclass(frozen=True, slots=True)
class Merge:
    """Make several categories, or several subcategories, one: `target`."""

    sources: Sequence[Item]
    target: Item
    action = "taxonomy.merged"

    def _others(self) -> list[Item]:
        return [item for item in self.sources if item != self.target]

    def title(self) -> str:
        names = ", ".join(f"“{_full(item)}”" for item in self._others()) or "nothing"
        return f"Merge {names} into “{_full(self.target)}”"

    def touches(self) -> Q:
        return _in_any(self._others())

    def do(self) -> None:
        others = self._others()
        if not others:
            raise TaxonomyRefused("Choose something to merge, other than what it is merged into.")
        if any(type(item) is not type(self.target) for item in others):
            raise TaxonomyRefused(
                "A category is merged into a category, a subcategory into a subcategory. To turn "
                "one into the other, split: move its steps."
            )
        for item in others:
            if isinstance(item, Category):
                assert isinstance(self.target, Category)
                _merge_category(item, self.target)
            else:
                assert isinstance(self.target, Subcategory)
                _merge_subcategory(item, self.target)


@dataclass(frozen=True, slots=True)
class Split:
    """Move the steps `chosen` (ids) out of `source`: to `target`, or to a new place there.

    With `new_name` a new subcategory of the target's category is made, or, without `target`, a new
    category.
    """

    source: Place
    chosen: Sequence[int]
    target: Place | None = None
    new_name: str = ""
    action = "taxonomy.split"

    def title(self) -> str:
        where = self.target.name if self.target else ""
        if self.new_name:
            where = f"{self.target.category} / {self.new_name}" if self.target else self.new_name
        return f"Move {len(self.chosen)} steps of “{self.source.name}” to “{where}”"

    def touches(self) -> Q:
        return _at(self.source) & Q(pk__in=self.chosen)

    def do(self) -> None:
        if not self.chosen:
            raise TaxonomyRefused("Choose the steps that are to be moved.")
        to = self._to()
        if to.item == self.source.item:
            raise TaxonomyRefused("The steps are there already: choose another place.")
        FixStep.objects.filter(self.touches()).update(
            category=to.category, subcategory=to.subcategory
        )

    def _to(self) -> Place:
        if not self.new_name:
            if self.target is None:
                raise TaxonomyRefused("Say where the steps go: choose a place or name a new one.")
            return self.target
        made = _new(self.new_name, "", self.target.category if self.target else None)
        if isinstance(made, Category):
            return Place(made)
        return Place(made.category, made)


@dataclass(frozen=True, slots=True)
class Dissolve:
    """Take a subcategory away: its steps have its category alone."""

    subcategory: Subcategory
    action = "taxonomy.dissolved"

    def title(self) -> str:
        return f"Dissolve “{_full(self.subcategory)}”"

    def touches(self) -> Q:
        return Q(subcategory=self.subcategory)

    def do(self) -> None:
        FixStep.objects.filter(self.touches()).update(subcategory=None)
        Subcategory.ever.filter(merged_into=self.subcategory).update(merged_into=None)
        Subcategory.ever.filter(pk=self.subcategory.pk).update(retired=True, edited=True)


@dataclass(frozen=True, slots=True)
class Move:
    """Put a category among the categories, or a subcategory within its own, at the place `to`.

    Places count from 1. Steps keep what they have: only the order in which people read changes.
    """

    item: Item
    to: int
    action = "taxonomy.moved"

    def title(self) -> str:
        return f"Move “{_full(self.item)}” to place {self.to}"

    def touches(self) -> Q:
        return _NOTHING

    def do(self) -> None:
        order = siblings(self.item)
        if not 1 <= self.to <= len(order):
            raise TaxonomyRefused(f"There are the places 1 to {len(order)}, and no {self.to}.")
        if order.index(self.item) == self.to - 1:
            raise TaxonomyRefused("It is there already: nothing to change.")
        order.remove(self.item)
        order.insert(self.to - 1, self.item)
        # All are numbered anew: a merge leaves gaps, and shipped rows may share a number.
        for position, each in enumerate(order):
            _all(each).filter(pk=each.pk).update(position=position)


def siblings(item: Item) -> list[Item]:
    """All categories, or the subcategories of the item's category, in their order."""
    if isinstance(item, Category):
        return list(Category.objects.all())
    return list(Subcategory.objects.filter(category=item.category_id).select_related("category"))


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
    was, places = _rows(), _places(operation.touches())
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
            "rows_now": _rows(),
            "moves": _moves(places),
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
    _move_back(event.data["moves"])
    _restore_rows(event.data["rows_was"])
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
    steps = FixStep.objects.filter(_at(place), draft__example__dataset__in=_led(user))
    if text:
        fields = ("error", "fix_info", "error_code", "fixed_code")
        found = Q()
        for name in fields:
            found |= Q(**{f"{name}__icontains": text})
        steps = steps.filter(found)
    return steps.filter(draft__blind=False).order_by("pk")


_NOTHING = Q(pk__in=())


def _words_of(item: Item) -> tuple[str, str]:
    return item.name, item.description


def _full(item: Item) -> str:
    return f"{item.category} / {item}" if isinstance(item, Subcategory) else str(item)


def _in_any(items: Iterable[Item]) -> Q:
    found = _NOTHING
    for item in items:
        found |= Q(category=item) if isinstance(item, Category) else Q(subcategory=item)
    return found


def _at(place: Place) -> Q:
    """Steps at exactly this place; of a category also those in its subcategories."""
    return _in_any([place.item])


def _all(item: Item) -> QuerySet[Any]:
    return type(item).ever.all()


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
    rows = tuple(DatasetSteps(each, counts[each.pk], each.pk in led) for each in seen)
    shown = sum(each.steps for each in rows)
    total = sum(counts.values())
    return Change(operation.title(), total, rows, total - shown)


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


def _check_name(item: Item, name: str) -> None:
    """
    Raises:
        TaxonomyRefused: the name is empty, too long, or taken.
    """
    if not name or len(name) > NAME_LENGTH:
        raise TaxonomyRefused(f"A name has 1 to {NAME_LENGTH} characters; “{name[:40]}” does not.")
    taken: QuerySet[Any] = type(item).objects.filter(name__iexact=name).exclude(pk=item.pk)
    if isinstance(item, Subcategory):
        taken = taken.filter(category=item.category_id)
    if taken.exists():
        raise TaxonomyRefused(f"“{name}” is there already. Choose another name, or merge.")


def _free_slug(name: str, category: Category | None) -> str:
    rows = Subcategory.ever.filter(category=category) if category else Category.ever.all()
    taken = set(rows.values_list("slug", flat=True))
    base = slugify(name)[:40] or "category"
    numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
    return base if base not in taken else next(slug for slug in numbered if slug not in taken)


def _new(name: str, description: str, category: Category | None) -> Item:
    rows = Subcategory.ever.filter(category=category) if category else Category.ever.all()
    values = {
        "slug": _free_slug(name, category),
        "name": name,
        "description": description,
        "position": rows.count(),
        "edited": True,
    }
    item: Item = Subcategory(category=category, **values) if category else Category(**values)
    _check_name(item, name)
    item.save()
    return item


def _remember(item: Item, was: str) -> None:
    """Keep an old name as a retired row that leads to the item."""
    if isinstance(item, Subcategory):
        Subcategory.ever.create(
            category=item.category,
            slug=_free_slug(was, item.category),
            name=was,
            retired=True,
            merged_into=item,
        )
    else:
        slug = _free_slug(was, None)
        Category.ever.create(slug=slug, name=was, retired=True, merged_into=item)


def _merge_subcategory(source: Subcategory, target: Subcategory) -> None:
    FixStep.objects.filter(subcategory=source).update(category=target.category, subcategory=target)
    Subcategory.ever.filter(merged_into=source).update(merged_into=target)
    Subcategory.ever.filter(pk=source.pk).update(retired=True, merged_into=target, edited=True)


def _merge_category(source: Category, target: Category) -> None:
    """Subcategories of the same name become one, the others move along."""
    there = {sub.name.lower(): sub for sub in target.subcategories.all()}
    for sub in list(source.subcategories.all()):
        same = there.get(sub.name.lower())
        if same is not None:
            _merge_subcategory(sub, same)
            continue
        sub.slug, sub.category, sub.edited = _free_slug(sub.slug, target), target, True
        sub.save(update_fields=["slug", "category", "edited"])
        there[sub.name.lower()] = sub
    FixStep.objects.filter(category=source).update(category=target)
    Category.ever.filter(merged_into=source).update(merged_into=target)
    Category.ever.filter(pk=source.pk).update(retired=True, merged_into=target, edited=True)


_MODELS: tuple[type[Category] | type[Subcategory], ...] = (Category, Subcategory)


def _rows() -> dict[str, list[dict[str, Any]]]:
    """The whole taxonomy as JSON, retired rows and all."""
    return {
        model.__name__: [dict(row) for row in model.ever.order_by("pk").values()]
        for model in _MODELS
    }


def _restore_rows(was: dict[str, list[dict[str, Any]]]) -> None:
    """
    Raises:
        TaxonomyRefused: steps were put meanwhile where there would be nothing any more.
    """
    known = {name: {row["id"] for row in rows} for name, rows in was.items()}
    gone = Category.ever.exclude(pk__in=known["Category"])
    gone_subs = Subcategory.ever.exclude(pk__in=known["Subcategory"])
    left = FixStep.objects.filter(Q(category__in=gone) | Q(subcategory__in=gone_subs)).count()
    if left:
        raise TaxonomyRefused(
            f"{left} step(s) were put there since. Move them to another category first."
        )
    gone_subs.delete()
    gone.delete()
    for model in _MODELS:
        # Names may have changed places: none may be in the way of another while they go back.
        for pk in model.objects.values_list("pk", flat=True):
            model.objects.filter(pk=pk).update(name=f"~{pk}")
    for model in _MODELS:
        for row in was[model.__name__]:
            values = {name: value for name, value in row.items() if name != "id"}
            model.ever.update_or_create(pk=row["id"], defaults=values)
    # A step that was put into a subcategory after it moved goes back with it.
    owner = Subcategory.ever.filter(pk=OuterRef("subcategory")).values("category")[:1]
    astray = FixStep.objects.filter(subcategory__isnull=False)
    astray.exclude(category=F("subcategory__category")).update(category=Subquery(owner))


Places = dict[int, tuple[int | None, int | None]]


def _places(of: Q) -> Places:
    rows = FixStep.objects.filter(of).values_list("pk", "category", "subcategory")
    return {pk: (category, subcategory) for pk, category, subcategory in rows}


def _moves(was: Places) -> list[dict[str, Any]]:
    """From where to where which steps went."""
    groups: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for pk, now in _places(Q(pk__in=list(was))).items():
        if now != was[pk]:
            groups[was[pk], now].append(pk)
    return [{"was": a, "now": b, "steps": sorted(pks)} for (a, b), pks in groups.items()]


def _move_back(moves: list[dict[str, Any]]) -> None:
    """Steps that someone put elsewhere since stay where they are."""
    for move in moves:
        here = {"category": move["now"][0], "subcategory": move["now"][1]}
        steps = FixStep.objects.filter(pk__in=move["steps"], **here)
        steps.update(category=move["was"][0], subcategory=move["was"][1])
