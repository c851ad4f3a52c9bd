"""The door for people's writes about whole datasets."""

from collections.abc import Sequence
from datetime import date

from django.db import transaction

from curation.models import Dataset
from curation.services.audit import Actor, record
from scoring.dashboards.published import Row, Source
from scoring.models import Plan, Published


@transaction.atomic
def set_plan(
    dataset: Dataset, *, approved_wanted: int | None, due: date | None, names_shown: bool, by: Actor
) -> Plan:
    """What is wanted of a dataset until when, and whether its dashboards may name people."""
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # the plan may not be there to lock
    plan = Plan.objects.filter(dataset=dataset).first() or Plan(dataset=dataset)
    was = _said(plan)
    plan.approved_wanted, plan.due, plan.names_shown = approved_wanted, due, names_shown
    if plan.pk is None or _said(plan) != was:
        plan.save()
        record("dataset.plan", dataset, dataset=dataset, by=by, was=was, now=_said(plan))
    return plan


def _said(plan: Plan) -> dict[str, object]:
    return {
        "approved_wanted": plan.approved_wanted,
        "due": plan.due and plan.due.isoformat(),
        "names_shown": plan.names_shown,
    }


@transaction.atomic
def set_published(
    dataset: Dataset, board: str, source: Source | None, rows: Sequence[Row] = (), *, by: Actor
) -> None:
    """Lay figures that others published beside a dashboard; None takes them away."""
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # as above
    stored = Published.objects.filter(dataset=dataset, board=board).first()
    was = _told(stored)
    if source is None:
        if stored is not None:
            stored.delete()
            record("dataset.published", dataset, dataset=dataset, by=by, board=board, was=was)
        return
    made = stored or Published(dataset=dataset, board=board)
    made.name, made.source, made.rows = source.name, source.text, [row.to_json() for row in rows]
    if _told(made) != was:
        made.save()
        now = _told(made)
        record("dataset.published", dataset, dataset=dataset, by=by, board=board, was=was, now=now)


def _told(published: Published | None) -> dict[str, object] | None:
    if published is None:
        return None
    return {"name": published.name, "source": published.source, "rows": published.rows}
