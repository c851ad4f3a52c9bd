"""The door for people's writes about whole datasets."""

from datetime import date

from django.db import transaction

from curation.models import Dataset
from curation.services.audit import Actor, record
from scoring.models import Plan


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
