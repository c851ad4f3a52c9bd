"""The changes that the taxonomy takes: rename, add, merge, split, dissolve, move.

What is merged or renamed stays behind as a retired row, so that old names and old ids lead to what
it is now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Q, QuerySet
from django.utils.text import slugify

from curation.models import Category, FixStep, Subcategory

Item = Category | Subcategory
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
        return NOTHING

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
        return steps_of(self.source) & Q(pk__in=self.chosen)

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
        return NOTHING

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


NOTHING = Q(pk__in=())


def _words_of(item: Item) -> tuple[str, str]:
    return item.name, item.description


def _full(item: Item) -> str:
    return f"{item.category} / {item}" if isinstance(item, Subcategory) else str(item)


def _in_any(items: Iterable[Item]) -> Q:
    found = NOTHING
    for item in items:
        found |= Q(category=item) if isinstance(item, Category) else Q(subcategory=item)
    return found


def steps_of(place: Place) -> Q:
    """Steps at exactly this place; of a category also those in its subcategories."""
    return _in_any([place.item])


def _all(item: Item) -> QuerySet[Any]:
    return type(item).ever.all()


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
