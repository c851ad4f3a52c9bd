"""What the taxonomy and its steps were before a change, so that it can be taken back."""

from collections import defaultdict
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery

from curation.models import Category, FixStep, Subcategory
from curation.services.taxonomy_changes import TaxonomyRefused

_MODELS: tuple[type[Category] | type[Subcategory], ...] = (Category, Subcategory)


def rows() -> dict[str, list[dict[str, Any]]]:
    """The whole taxonomy as JSON, retired rows and all."""
    return {
        model.__name__: [dict(row) for row in model.ever.order_by("pk").values()]
        for model in _MODELS
    }


def restore_rows(was: dict[str, list[dict[str, Any]]]) -> None:
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


def places(of: Q) -> Places:
    rows = FixStep.objects.filter(of).values_list("pk", "category", "subcategory")
    return {pk: (category, subcategory) for pk, category, subcategory in rows}


def moves(was: Places) -> list[dict[str, Any]]:
    """From where to where which steps went."""
    groups: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for pk, now in places(Q(pk__in=list(was))).items():
        if now != was[pk]:
            groups[was[pk], now].append(pk)
    return [{"was": a, "now": b, "steps": sorted(pks)} for (a, b), pks in groups.items()]


def move_back(moved: list[dict[str, Any]]) -> None:
    """Steps that someone put elsewhere since stay where they are."""
    for move in moved:
        here = {"category": move["now"][0], "subcategory": move["now"][1]}
        steps = FixStep.objects.filter(pk__in=move["steps"], **here)
        steps.update(category=move["was"][0], subcategory=move["was"][1])
