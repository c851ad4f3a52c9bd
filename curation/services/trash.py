"""Delete an example or a draft with all that belongs to it, and bring it back as it was."""

from datetime import datetime
from typing import Any

from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q, QuerySet
from django.db.models.deletion import Collector

from curation.models import Dataset, Draft, Example, FixStep, Trash
from curation.services.audit import Actor, record
from curation.services.taxonomy import current
from curation.signals import head_changed

# All of them go through memory as one text.
MOST_AT_ONCE = 500


class TrashRefused(Exception):
    """Why something was not deleted or not brought back; the text is for the person who asked."""


class _Exact(DjangoJSONEncoder):
    """Times to the microsecond, which Django's own encoder cuts."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


@transaction.atomic
def delete(item: Example | Draft, *, by: Actor) -> Trash:
    """Take an example or a draft out, with its drafts, steps, comments, runs and verdicts."""
    dataset = item.dataset if isinstance(item, Example) else item.example.dataset
    # An editor that keeps its text in this moment comes before or after: never in between.
    mine = Q(example=item) if isinstance(item, Example) else Q(pk=item.pk) | Q(original=item)
    list(Draft.objects.filter(mine).select_for_update(of=("self",)).order_by("pk"))
    kept = Trash.objects.create(
        dataset=dataset,
        name=str(item)[:300],
        content=serializers.serialize("json", _tree(item), cls=_Exact),
        deleted_by=by,
    )
    action = "example.deleted" if isinstance(item, Example) else "draft.deleted"
    record(action, item, dataset=dataset, by=by, trash=kept.pk)
    item.delete()
    return kept


@transaction.atomic
def delete_drafts(dataset: Dataset, drafts: QuerySet[Draft], *, by: Actor) -> Trash:
    """Take several drafts of a dataset out at once; they come back together.

    Raises:
        TrashRefused: there are none, or too many.
    """
    chosen = Draft.objects.filter(pk__in=drafts.order_by().values("pk"), example__dataset=dataset)
    locked = list(chosen.select_for_update(of=("self",)).order_by("pk")[: MOST_AT_ONCE + 1])
    if not locked:
        raise TrashRefused("There is no draft to delete.")
    if len(locked) > MOST_AT_ONCE:
        raise TrashRefused(f"At most {MOST_AT_ONCE} drafts are deleted at once: narrow the filter.")
    ids = [draft.pk for draft in locked]
    kept = Trash.objects.create(
        dataset=dataset,
        name=f"{len(ids)} drafts of {dataset}",
        content=serializers.serialize("json", _tree(*locked), cls=_Exact),
        deleted_by=by,
    )
    record(
        "drafts.deleted",
        dataset,
        dataset=dataset,
        by=by,
        trash=kept.pk,
        count=len(ids),
        drafts=ids,
    )
    Draft.objects.filter(pk__in=ids).delete()
    return kept


def _tree(*items: models.Model) -> list[models.Model]:
    """The records and every record that their deletion takes along."""
    collector = Collector(using="default")
    collector.collect(items)
    found: dict[tuple[type[models.Model], Any], models.Model] = {
        (model, row.pk): row for model, rows in collector.data.items() for row in rows
    }
    for queryset in collector.fast_deletes:
        found |= {(queryset.model, row.pk): row for row in queryset}
    return list(found.values())


@transaction.atomic
def bring_back(kept: Trash, *, by: Actor) -> Dataset:
    """Put everything back under its old ids.

    Raises:
        TrashRefused: its place was taken meanwhile, or someone brought it back already.
    """
    # The second of two clicks waits here.
    locked = Trash.objects.select_for_update(of=("self",)).filter(pk=kept.pk).first()
    if locked is None:
        raise TrashRefused("It was brought back already.")
    try:
        with transaction.atomic():
            first, drafts = None, []
            for item in serializers.deserialize("json", locked.content):
                if isinstance(item.object, FixStep):
                    _recategorise(item.object)
                if isinstance(item.object, Draft):
                    drafts.append(item.object.pk)
                item.save()
                first = first or item.object
            _check_constraints()
            head_changed.send(Draft, drafts=drafts)
    except IntegrityError:
        raise TrashRefused(
            f"{locked.name} cannot come back: its Example_id is taken, or what it belonged to is "
            "gone."
        ) from None
    assert first is not None, "a record was serialized"
    record("trash.restored", first, dataset=locked.dataset, by=by, name=locked.name)
    locked.delete()
    return locked.dataset


def _recategorise(step: FixStep) -> None:
    """The taxonomy may have changed while the step was away."""
    step.category_id, step.subcategory_id = current(step.category_id, step.subcategory_id)


def _check_constraints() -> None:
    """Foreign keys are checked at the end of a transaction; here they have to be checked now."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
