"""Assignment: nobody is sent where another works, nobody is locked out, blind stays blind."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import Http404
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from curation.models import AuditEvent, Category, Dataset, Draft
from curation.permissions import access_by, access_to
from curation.records import best_draft
from curation.services import adjudication, assignment, copies, review, steps, undo
from curation.services.assignment import NothingToDo
from curation.services.copies import Kept
from curation.services.review import ACTIONS
from curation.services.steps import StepRefused, StepText
from executor.services import request_run
from scoring.agreement import agreement_of
from scoring.services import set_plan
from tests.factories import DRAFT, FIXED, head_of, make_dataset, make_draft, make_example, make_user

pytestmark = pytest.mark.django_db
OTHER = DRAFT.replace("ones(3)", "zeros(2)")


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


def add(dataset: Dataset) -> Draft:
    return make_draft(example=make_example(dataset))


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def bea() -> User:
    return make_user("bea")


def pull(dataset: Dataset, by: User) -> Draft:
    return assignment.next_draft(dataset, by=by)


def test_two_people_get_two_drafts_in_order(dataset: Dataset, ann: User, bea: User) -> None:
    one, two = add(dataset), add(dataset)
    assert pull(dataset, ann) == one
    assert pull(dataset, bea) == two
    assert pull(dataset, ann) == one, "one goes on with what one has"
    with pytest.raises(NothingToDo):
        pull(dataset, make_user())


def test_a_lease_runs_out_and_work_prolongs_it(dataset: Dataset, ann: User, bea: User) -> None:
    draft = add(dataset)
    pull(dataset, ann)
    soon = timezone.now() + timedelta(minutes=1)
    Draft.objects.update(lease_until=soon)
    copies.keep(draft, Kept("tab", 0, "typing"), by=ann)
    draft.refresh_from_db()
    assert draft.lease_until is not None and draft.lease_until > soon
    Draft.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert pull(dataset, bea) == draft
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=ann)  # not locked out


def test_what_is_in_review_is_not_pulled(dataset: Dataset, ann: User, bea: User) -> None:
    draft = pull(dataset, ann) if add(dataset) else None
    assert draft is not None
    steps.save_step(draft, base=0, code=FIXED, text=StepText(), by=ann)
    review.act(draft, ACTIONS["submit"], by=ann)
    for person in (ann, bea):
        with pytest.raises(NothingToDo):
            pull(dataset, person)


def test_a_lead_gives_a_draft_out_and_takes_that_back(
    dataset: Dataset, ann: User, bea: User
) -> None:
    add(dataset)
    second = add(dataset)
    assert assignment.assign(Draft.objects.filter(pk=second.pk), bea, by=ann) == 1
    assert assignment.assign(Draft.objects.filter(pk=second.pk), bea, by=ann) == 0
    assert pull(dataset, bea) == second
    event = AuditEvent.objects.filter(action="draft.assigned").get()
    undo.undo(event, access=access_to(ann, dataset), by=ann)
    second.refresh_from_db()
    assert second.assignee is None


def repair(dataset: Dataset, by: User, code: str, category: Category | None = None) -> Draft:
    draft = pull(dataset, by)
    steps.save_step(draft, base=0, code=code, text=StepText(category=category), by=by)
    return review.act(draft, ACTIONS["submit"], by=by)


@pytest.fixture
def double(dataset: Dataset) -> Draft:
    """A draft that wants two blind repairs."""
    Dataset.objects.update(repairs_wanted=2)
    dataset.refresh_from_db()
    return add(dataset)


def test_repairs_are_blind_until_both_are_in(
    dataset: Dataset, double: Draft, ann: User, bea: User
) -> None:
    first = repair(dataset, ann, FIXED)
    run = request_run(double.example, FIXED, draft=first, by=ann)
    chief = User.objects.create_superuser("chief", password="x")
    step = first.steps.get()
    for person in (bea, chief):
        for lookup, key in (
            ("examples__drafts__pk", first.pk),
            ("examples__drafts__steps__pk", step.pk),
            ("examples__drafts__revisions__pk", head_of(first).pk),
            ("examples__runs__pk", run.pk),
        ):
            with pytest.raises(Http404):
                access_by(person, lookup, key)
        client = Client()
        client.force_login(person)
        listed = client.get(reverse("api-step-list"), {"draft": first.pk}).json()
        assert listed["results"] == []
        queue = client.get(reverse("dataset-detail", args=[dataset.slug]))
        assert [draft.pk for draft in queue.context["drafts"]] == [double.pk]
        shown = client.get(reverse("workbench", args=[double.pk]), {"run": run.pk})
        assert shown.context["code"] == DRAFT
    assert access_by(ann, "examples__drafts__pk", first.pk).may_repair
    with pytest.raises(NothingToDo):
        pull(dataset, ann)
    second = repair(dataset, bea, OTHER)
    for draft in (first, second):
        assert access_by(chief, "examples__drafts__pk", draft.pk).may_review
    with pytest.raises(NothingToDo):
        pull(dataset, make_user())


def test_an_abandoned_repair_is_made_by_another(
    dataset: Dataset, double: Draft, ann: User, bea: User
) -> None:
    pull(dataset, ann)
    pull(dataset, bea)
    with pytest.raises(NothingToDo):
        pull(dataset, make_user())
    Draft.objects.filter(assignee=ann).update(lease_until=timezone.now() - timedelta(hours=1))
    assert pull(dataset, make_user()).original == double


def test_one_repair_is_taken_and_that_is_taken_back(
    dataset: Dataset, double: Draft, ann: User, bea: User
) -> None:
    first = repair(dataset, ann, FIXED)
    with pytest.raises(StepRefused, match="not all in"):
        adjudication.adopt(first, by=bea)
    repair(dataset, bea, OTHER)
    first.refresh_from_db()
    judge = make_user()
    client = Client()
    client.force_login(judge)
    url = reverse("draft-adjudicate", args=[double.pk])
    page = client.get(url)
    assert [shown.draft.assignee for shown in page.context["repairs"]] == [ann, bea]
    assert page.context["both"].conflicts == 1
    client.post(url, {"repair": first.pk})
    assert head_of(double).code == FIXED
    assert double.steps.get().author == ann
    assert first.steps.count() == 1
    assert best_draft(double.example) == double
    event = AuditEvent.objects.filter(action="draft.adjudicated").get()
    undo.undo(event, access=access_to(judge, dataset), by=judge)
    assert head_of(double).code == DRAFT
    assert double.steps.count() == 0


def test_agreement_is_over_categories_and_counts(
    dataset: Dataset, double: Draft, ann: User, bea: User
) -> None:
    add(dataset)
    api, layout = (Category.objects.create(slug=s, name=s) for s in ("api", "layout"))
    repair(dataset, ann, FIXED, api)
    repair(dataset, bea, OTHER, api)
    repair(dataset, ann, FIXED, api)
    repair(dataset, bea, OTHER, layout)
    found = agreement_of(dataset)
    assert (found.drafts, found.repairs) == (2, 4)
    # Units (draft, category): (1,1), (0,0), (1,0), (0,1).
    (pair,) = found.pairs
    assert (pair.of, pair.category.n, pair.category.value) == ("ann and bea", 4, 0.0)
    assert found.fleiss.value == pytest.approx(0.0)
    # Krippendorff: D_o = 1/2, D_e = 2 * 4 * 4 / (8 * 7).
    assert found.whole.category.value == pytest.approx(1 - 0.5 / (32 / 56))
    assert found.whole.steps.why == "undefined: constant"
    client = Client()
    client.force_login(ann)
    url = reverse("dataset-agreement", args=[dataset.slug])
    page = client.get(url).content.decode()
    assert "annotator 1 and annotator 2" in page and "undefined: constant" in page
    assert "bea" not in page
    set_plan(dataset, approved_wanted=None, due=None, names_shown=True, by=ann)
    assert "ann and bea" in client.get(url).content.decode()


def test_next_opens_the_draft_or_says_why_not(dataset: Dataset, ann: User) -> None:
    client = Client()
    client.force_login(ann)
    url = reverse("dataset-next", args=[dataset.slug])
    assert "Nothing waits" in client.post(url, follow=True).content.decode()
    draft = add(dataset)
    assert client.post(url)["Location"] == reverse("workbench", args=[draft.pk])
    client.post(reverse("draft-claim", args=[draft.pk]), {"do": "release"})
    draft.refresh_from_db()
    assert draft.assignee is None
    client.post(reverse("draft-assign", args=[draft.pk]), {"username": "ann"})
    draft.refresh_from_db()
    assert draft.assignee == ann
    response = client.post(
        reverse("draft-assign", args=[draft.pk]), {"username": "nobody"}, follow=True
    )
    assert "is no annotator" in response.content.decode()
