"""Decide between independent repairs: one of them becomes the draft's own."""

from django.contrib.auth.models import User
from django.db import transaction

from curation.models import Draft
from curation.rewriting import rewrite
from curation.services import ledger
from curation.services.audit import record
from curation.services.steps import StepRefused, changed


@transaction.atomic
def adopt(repair: Draft, *, by: User) -> Draft:
    """Take an independent repair's steps into its original, which then goes its usual way.

    Raises:
        StepRefused: the repair is still blind, or the original is approved.
    """
    original = repair.original
    if original is None or repair.blind:
        raise StepRefused("The repairs of this draft are not all in yet.")
    now = ledger.Ledger.locked(original)
    was = ledger.snapshot(now.draft)
    states = [state.as_new() for state in ledger.Ledger.read(repair).states()]
    made = rewrite(
        now.revisions[0].code, states, reference=now.draft.example.pytorch_code, final=now.final
    )
    ledger.write(now.draft, made, by=by)
    changed(now.draft)
    record(
        "draft.adjudicated",
        now.draft,
        dataset=now.draft.example.dataset,
        by=by,
        repair=repair.pk,
        ledger_was=was,
    )
    return now.draft
