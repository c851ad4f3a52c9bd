"""A dataset whose every number is known by hand.

| draft    | where       | steps (category, kind)    | verdicts of revisions 0, 1 ... | status    |
| -------- | ----------- | ------------------------- | ------------------------------ | --------- |
| a by ada | easy, m1    | api/name; api; none       | run, numeric, not run, pass    | approved  |
| b by bob | easy, m2    | api/name (format)         | run, numeric                   | repairing |
| c        | hard, m1    |                           | pass                           | verified  |
| d        | hard, m1    |                           | not run                        | draft     |
| e by ada | medium, =1+1| shape                     | undecided, undecided           | repairing |

Each step took half an hour; eve approved a.
"""

from dataclasses import dataclass

from django.contrib.auth.models import User

from curation.enums import MemberRole, StepKind
from curation.models import Category, Dataset, Draft, Example, Subcategory
from curation.services import members, review
from curation.services.steps import StepText, save_step
from executor import pipeline
from executor.parity.outcome import Kind, Outcome, Reason, Stage, Verdict, failed, undecided
from executor.services import request_run
from tests.factories import DRAFT, make_dataset, make_draft, make_example, make_user

PASSED = Verdict(Outcome.PASS, stage=Stage.BEHAVIORAL)
CRASHED = failed(Stage.RUN, Kind.RUNTIME_ERROR, "It broke.")
DIFFERS = failed(Stage.NUMERIC, Kind.VALUE_MISMATCH, "It differs.")
UNKNOWN = undecided(Reason.NEEDS_DATA, "A file is missing.")


@dataclass(frozen=True, slots=True)
class World:
    dataset: Dataset
    drafts: dict[str, Draft]
    people: dict[str, User]


def make_world(slug: str = "little") -> World:
    dataset = make_dataset(slug)
    people = {name: make_user(f"{slug}-{name}") for name in ("ada", "bob", "eve")}
    for person in people.values():
        members.set_role(dataset, person, MemberRole.LEAD, by=None)
    api, _ = Category.objects.get_or_create(slug="api", name="API misuse", position=0)
    shape, _ = Category.objects.get_or_create(slug="shape", name="Shape", position=1)
    name, _ = Subcategory.objects.get_or_create(category=api, slug="name", name="Invented name")
    made = {
        "a": _draft(
            dataset,
            ("easy", "m1"),
            [StepText(category=api, subcategory=name), StepText(category=api), StepText()],
            [CRASHED, DIFFERS, None, PASSED],
            people["ada"],
        ),
        "b": _draft(
            dataset,
            ("easy", "m2"),
            [StepText(category=api, subcategory=name, kind=StepKind.FORMAT)],
            [CRASHED, DIFFERS],
            people["bob"],
        ),
        "c": _draft(dataset, ("hard", "m1"), [], [PASSED], people["ada"]),
        "d": _draft(dataset, ("hard", "m1"), [], [None], people["ada"]),
        "e": _draft(
            dataset, ("medium", "=1+1"), [StepText(category=shape)], [UNKNOWN] * 2, people["ada"]
        ),
    }
    for action, who in (("submit", "ada"), ("approve", "eve")):
        review.act(made["a"], review.ACTIONS[action], by=people[who])
    return World(dataset, made, people)


def _draft(
    dataset: Dataset,
    place: tuple[str, str],
    texts: list[StepText],
    verdicts: list[Verdict | None],
    by: User,
) -> Draft:
    difficulty, model = place
    draft = make_draft(example=make_example(dataset), by=by)
    Example.objects.filter(pk=draft.example_id).update(difficulty=difficulty)
    Draft.objects.filter(pk=draft.pk).update(model=model)
    code = DRAFT
    judge(draft, code, verdicts[0])
    for number, text in enumerate(texts):
        code = f"{DRAFT}# {draft.pk} {number}\n"
        save_step(draft, base=number, code=code, text=text, by=by)
        judge(draft, code, verdicts[number + 1])
    draft.steps.update(seconds=1800)
    return Draft.objects.get(pk=draft.pk)


def judge(draft: Draft, code: str, verdict: Verdict | None) -> None:
    if verdict is not None:
        run = pipeline.claim(request_run(draft.example, code, draft=draft, by=None).pk)
        assert run is not None and pipeline.store(run, verdict)
