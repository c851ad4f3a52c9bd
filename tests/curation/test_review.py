"""Review: a second person, a written reason without a pass, words when it goes back."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from curation.enums import DraftStatus
from curation.importers.source import PathSource
from curation.models import AuditEvent, Draft
from curation.services import comments, ledger, review, steps
from curation.services.comments import CommentRefused
from curation.services.imports import import_files
from curation.services.review import ACTIONS, ReviewRefused
from curation.services.steps import StepRefused, StepText
from tests.factories import DRAFT, FIXED, make_dataset, make_draft, make_user, tell_verdict

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user()


@pytest.fixture
def bea() -> User:
    return make_user()


@pytest.fixture
def repaired(ann: User) -> Draft:
    draft = make_draft()
    steps.save_step(draft, base=0, code=FIXED, text=StepText(fix_info="two"), by=ann)
    return draft


def do(what: str, draft: Draft, by: User, text: str = "") -> Draft:
    return review.act(draft, ACTIONS[what], text=text, by=by)


def test_the_author_of_a_step_cannot_approve(repaired: Draft, ann: User) -> None:
    tell_verdict(repaired, passed=True)
    with pytest.raises(ReviewRefused, match="second person"):
        do("approve", repaired, ann)


def test_who_submitted_cannot_approve(bea: User) -> None:
    draft = make_draft()
    tell_verdict(draft, passed=True)
    do("submit", draft, bea)
    with pytest.raises(ReviewRefused, match="second person"):
        do("approve", draft, bea)


def test_a_pass_needs_no_reason(repaired: Draft, ann: User, bea: User) -> None:
    tell_verdict(repaired, passed=True)
    do("submit", repaired, ann)
    approved = do("approve", repaired, bea)
    assert (approved.status, approved.approved_by, approved.approval_reason) == (
        DraftStatus.APPROVED,
        bea,
        "",
    )
    events = AuditEvent.objects.filter(target_type="draft").order_by("id")
    said = [event.action for event in events]
    assert said[-3:] == ["draft.status", "draft.submitted", "draft.approved"]


def test_without_a_pass_the_reason_goes_into_the_export_and_back(
    repaired: Draft, bea: User, tmp_path: Path
) -> None:
    with pytest.raises(ReviewRefused, match="written reason"):
        do("approve", repaired, bea)
    do("approve", repaired, bea, "The data is not public; checked by hand.")
    slug = repaired.example.dataset.slug
    call_command("export_dataset", slug, format="t2j", only="approved", out=tmp_path)
    file = tmp_path / f"{slug}.json"
    (record,) = json.loads(file.read_text())["Pytorch_to_JAX_Examples"]
    assert record["Approval_reason"] == "The data is not public; checked by hand."
    again = make_dataset()
    import_files(again, [PathSource(file, file.name)], by=None)
    call_command("export_dataset", again.slug, format="t2j", only="all", out=tmp_path)
    assert (tmp_path / f"{again.slug}.json").read_bytes() == file.read_bytes()


def test_an_approved_draft_takes_no_step_until_it_is_opened(repaired: Draft, bea: User) -> None:
    do("approve", repaired, bea, "Seen.")
    with pytest.raises(StepRefused, match="approved"):
        steps.save_step(repaired, base=1, code=DRAFT, text=StepText(), by=bea)
    tell_verdict(repaired, passed=False)
    repaired.refresh_from_db()
    assert repaired.status == DraftStatus.APPROVED
    opened = do("reopen", repaired, bea)
    assert (opened.status, opened.approval_reason) == (DraftStatus.REPAIRING, "")


def test_an_edit_takes_a_draft_out_of_review(repaired: Draft, ann: User) -> None:
    do("submit", repaired, ann)
    steps.save_step(repaired, base=1, code=FIXED + "# more\n", text=StepText(), by=ann)
    repaired.refresh_from_db()
    assert repaired.submitted_at is None


def test_returning_says_why(repaired: Draft, ann: User, bea: User) -> None:
    do("submit", repaired, ann)
    with pytest.raises(ReviewRefused, match="Say what"):
        do("return", repaired, bea, "  ")
    do("return", repaired, bea, "Keep the key.")
    assert repaired.comments.get().text == "Keep the key."
    with pytest.raises(ReviewRefused, match="not submitted"):
        do("return", repaired, bea, "Again.")


def test_a_comment_on_a_line_quotes_it(repaired: Draft, ann: User, bea: User) -> None:
    comment = comments.add_comment(repaired, text="Why 2?", revision=1, line=2, by=bea)
    assert comment.quote == "print(jnp.ones(2).sum())"
    with pytest.raises(CommentRefused, match="no line 9"):
        comments.add_comment(repaired, text="x", revision=1, line=9, by=bea)
    with pytest.raises(CommentRefused, match="another draft"):
        comments.add_comment(make_draft(), text="x", step=repaired.steps.get(), by=bea)
    comments.set_resolved(comment, True, by=ann)
    comment.refresh_from_db()
    assert comment.resolved_by == ann
    with pytest.raises(CommentRefused, match="who wrote"):
        comments.delete_comment(comment, by=ann)


def test_a_comment_on_a_step_outlives_it(repaired: Draft, ann: User, bea: User) -> None:
    comments.add_comment(repaired, text="Hm.", step=repaired.steps.get(), by=bea)
    ledger.remove_step(repaired.steps.get(), by=ann)
    assert repaired.comments.get().step is None
