"""Saving, editing and taking back fix steps."""

import pytest
from django.db import IntegrityError, connection, transaction

from curation.enums import DraftStatus, Origin
from curation.models import AuditEvent, Category, FixStep, Revision, Subcategory
from curation.services import steps
from curation.services.steps import StaleDraft, StepRefused, StepText
from tests.factories import DRAFT, FIXED, head_of, make_draft, make_user

pytestmark = pytest.mark.django_db


def test_a_step_holds_what_changed_and_makes_the_next_revision() -> None:
    draft, person = make_draft(), make_user()
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(fix_info="two"), by=person)
    assert (step.order, step.error_code, step.fixed_code) == (
        1,
        "print(jnp.ones(3).sum())",
        "print(jnp.ones(2).sum())",
    )
    assert step.after is not None
    assert (step.after.number, step.after.code, step.after.origin) == (1, FIXED, Origin.STEP)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.REPAIRING
    assert AuditEvent.objects.filter(action="step.saved", actor=person).count() == 1


def test_saving_on_an_old_revision_is_refused_and_changes_nothing() -> None:
    draft, person = make_draft(), make_user()
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=person)
    with pytest.raises(StaleDraft) as caught:
        steps.save_step(draft, base=0, code=DRAFT + "# other\n", text=StepText(), by=person)
    assert caught.value.head.number == 1
    assert draft.steps.count() == 1


def test_the_same_code_is_no_step() -> None:
    draft = make_draft()
    with pytest.raises(StepRefused, match="nothing to save"):
        steps.save_step(draft, base=0, code=DRAFT, text=StepText(), by=make_user())


def test_a_foreign_subcategory_is_refused() -> None:
    draft = make_draft()
    one, other = (Category.objects.create(slug=s, name=s) for s in ("one", "other"))
    sub = Subcategory.objects.create(category=one, slug="sub", name="Sub")
    with pytest.raises(StepRefused, match="not a subcategory"):
        steps.save_step(
            draft,
            base=0,
            code=FIXED,
            text=StepText(category=other, subcategory=sub),
            by=make_user(),
        )
    assert draft.revisions.count() == 1


def test_editing_a_step_keeps_its_code() -> None:
    draft, person = make_draft(), make_user()
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=person)
    steps.edit_step(step, text=StepText(fix_info="why", error="ShapeError"), by=person)
    step.refresh_from_db()
    assert (step.fix_info, step.error, step.fixed_code) == (
        "why",
        "ShapeError",
        "print(jnp.ones(2).sum())",
    )


def test_the_database_refuses_a_changed_revision() -> None:
    revision = head_of(make_draft())
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Revision.objects.filter(pk=revision.pk).update(code="other")


def test_the_database_refuses_a_changed_audit_event() -> None:
    make_draft()
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        AuditEvent.objects.update(action="other")


def test_the_database_refuses_a_subcategory_of_another_category() -> None:
    draft = make_draft()
    step = steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=make_user())
    one, other = (Category.objects.create(slug=s, name=s) for s in ("one", "other"))
    sub = Subcategory.objects.create(category=one, slug="sub", name="Sub")
    with pytest.raises(IntegrityError), transaction.atomic():
        FixStep.objects.filter(pk=step.pk).update(category=other, subcategory=sub)
        connection.check_constraints()
