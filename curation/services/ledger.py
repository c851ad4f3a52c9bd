"""Change the step ledger: edit a step's code, move, split, merge or remove it.

Every change replays all steps from the draft on. Revisions that come out as they were stay;
the others are written anew, and the machine has to verify them again. A step that no longer
applies stays in the ledger and says so. What the ledger was is kept with the audit event, so
that every change can be taken back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from curation import hunks, ledger
from curation.enums import Origin
from curation.models import Draft, FixStep, KeptText, Revision
from curation.models.base import sha256
from curation.rewriting import (
    Placed,
    Rewritten,
    StepState,
    is_inert,
    merged,
    parts_of,
    rewrite,
)
from curation.services.audit import Actor, record
from curation.services.steps import StepRefused, changed, check_open
from curation.services.taxonomy import current
from curation.signals import head_changed

STEP_FIELDS = (
    "error_code",
    "fixed_code",
    "error",
    "traceback",
    "fix_info",
    "category_id",
    "subcategory_id",
    "kind",
    "seconds",
    "author_id",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The draft after a change, and the orders of the steps that ceased to apply."""

    draft: Draft
    lost: tuple[int, ...]


@dataclass(slots=True)
class Ledger:
    """A draft's ledger, read under its lock."""

    draft: Draft
    revisions: list[Revision]
    steps: list[FixStep]

    @classmethod
    def locked(cls, draft: Draft) -> "Ledger":
        """
        Raises:
            StepRefused: the draft is approved.
        """
        drafts = Draft.objects.select_for_update(of=("self",))
        draft = drafts.select_related("example__dataset").get(pk=draft.pk)
        check_open(draft)
        return cls.read(draft)

    @classmethod
    def read(cls, draft: Draft) -> "Ledger":
        revisions = list(draft.revisions.order_by("number"))
        return cls(draft, revisions, list(draft.steps.order_by("order")))

    def states(self) -> list[StepState]:
        return [
            StepState(
                **{name: getattr(step, name) for name in STEP_FIELDS},
                pk=step.pk,
                inert=is_inert(step.fixed_code, step.after_id is not None),
            )
            for step in self.steps
        ]

    def index(self, step: FixStep) -> int:
        for index, each in enumerate(self.steps):
            if each.pk == step.pk:
                return index
        raise StepRefused("This step is not in the ledger any more. Reload the page.")

    def code(self, revision_id: int | None) -> str:
        return next(r.code for r in self.revisions if r.pk == revision_id)

    @property
    def final(self) -> str | None:
        last = self.revisions[-1]
        return last.code if last.origin == Origin.FINAL else None


def snapshot(draft: Draft) -> dict[str, Any]:
    """The whole ledger as JSON; codes by their hash, whose texts are kept."""
    revisions = list(draft.revisions.order_by("number"))
    number_of = {revision.pk: revision.number for revision in revisions}
    KeptText.objects.bulk_create(
        [KeptText(sha256=r.sha256, text=r.code) for r in revisions], ignore_conflicts=True
    )
    fields = ("located", "span_start", "span_end", "settled", *STEP_FIELDS)
    return {
        "revisions": [[r.sha256, r.origin, r.created_by_id] for r in revisions],
        "steps": [
            {name: getattr(step, name) for name in ("pk", *fields)}
            | {
                "before": number_of.get(step.before_id or 0),
                "after": number_of.get(step.after_id or 0),
            }
            for step in draft.steps.order_by("order")
        ],
    }


def _change(
    step: FixStep,
    action: str,
    build: Callable[[Ledger, int], list[StepState]],
    *,
    by: Actor,
    **told: Any,
) -> Outcome:
    """Write the ledger that `build` makes of the present one and the step's index."""
    with transaction.atomic():
        now = Ledger.locked(step.draft)
        index = now.index(step)
        was = snapshot(now.draft)
        applied = {each.pk for each in now.steps if each.after_id is not None}
        states = build(now, index)
        made = rewrite(
            now.revisions[0].code,
            states,
            reference=now.draft.example.pytorch_code,
            final=now.final,
        )
        write(now.draft, made, by=by)
        changed(now.draft)
        lost = tuple(
            order
            for order, placed in enumerate(made.steps, start=1)
            if placed.after is None and (placed.state.pk in applied or placed.state.pk is None)
        )
        record(
            action,
            now.draft,
            dataset=now.draft.example.dataset,
            by=by,
            order=index + 1,
            lost=list(lost),
            ledger_was=was,
            **told,
        )
    return Outcome(now.draft, lost)


def write(draft: Draft, made: Rewritten, *, by: Actor) -> None:
    """Bring revisions and steps in line with `made`; the caller holds the draft's lock."""
    last = len(made.codes) - 1
    wanted = [
        (sha256(code), _origin(number, made.final and number == last))
        for number, code in enumerate(made.codes)
    ]
    texts = {sha256(code): code for code in made.codes}
    revisions = _write_revisions(draft, wanted, texts, by)
    keep = {placed.state.pk for placed in made.steps if placed.state.pk is not None}
    draft.steps.exclude(pk__in=keep).delete()
    for order, placed in enumerate(made.steps, start=1):
        _write_step(draft, order, placed, revisions)


def _origin(number: int, is_final: bool) -> Origin:
    if number == 0:
        return Origin.DRAFT
    return Origin.FINAL if is_final else Origin.STEP


def _write_revisions(
    draft: Draft, wanted: Sequence[tuple[str, str]], texts: dict[str, str], by: Actor
) -> list[Revision]:
    """Keep the leading revisions that stay as they are; write the others anew."""
    found = list(draft.revisions.order_by("number"))
    same = 0
    for revision, (digest, origin) in zip(found, wanted, strict=False):
        if (revision.sha256, revision.origin) != (digest, origin):
            break
        same += 1
    # Revisions take their steps along when they go; the steps are placed anew below.
    draft.steps.update(before=None, after=None, span_start=None, span_end=None)
    draft.revisions.filter(number__gte=same).delete()
    made = [
        Revision(
            draft=draft,
            number=number,
            code=texts[digest],
            sha256=digest,
            origin=origin,
            created_by=by,
        )
        for number, (digest, origin) in enumerate(wanted)
        if number >= same
    ]
    revisions = [*found[:same], *Revision.objects.bulk_create(made)]
    head_changed.send(Draft, drafts=[draft.pk])
    return revisions


def _write_step(draft: Draft, order: int, placed: Placed, revisions: list[Revision]) -> None:
    values = {name: getattr(placed.state, name) for name in STEP_FIELDS} | {
        "order": order,
        "located": placed.located,
        "before": None if placed.before is None else revisions[placed.before],
        "after": None if placed.after is None else revisions[placed.after],
        "span_start": placed.start,
        "span_end": placed.end,
    }
    if placed.state.pk is None:
        FixStep.objects.create(draft=draft, **values)
    else:
        FixStep.objects.update_or_create(pk=placed.state.pk, draft=draft, defaults=values)


def edit_code(step: FixStep, *, error_code: str, fixed_code: str, by: Actor) -> Outcome:
    """Say otherwise what the step replaces, and by what.

    Raises:
        StepRefused: nothing would be replaced, or the draft is approved.
    """
    error_code, fixed_code = (text.replace("\r\n", "\n") for text in (error_code, fixed_code))
    if error_code == fixed_code:
        raise StepRefused("Error_Code and Fixed_Code are the same: the step would do nothing.")

    def build(now: Ledger, index: int) -> list[StepState]:
        states = now.states()
        states[index] = replace(
            states[index], error_code=error_code, fixed_code=fixed_code, inert=False
        )
        return states

    return _change(step, "step.recoded", build, by=by)


def code_before(step: FixStep) -> str:
    """The code that the step is replayed on: what the steps before it make."""
    applied = step.draft.steps.filter(order__lt=step.order, after__isnull=False)
    last = applied.order_by("-order").select_related("after").first()
    if last is not None and last.after is not None:
        return last.after.code
    return step.draft.revisions.get(number=0).code


def anchor(step: FixStep, *, start: int, end: int, fixed_code: str, by: Actor) -> Outcome:
    """Say where in the code before it a step belongs: at the characters [start, end).

    Error_Code becomes the text that stands there, with neighbouring lines until it stands once.

    Raises:
        StepRefused: there is no such place, or the change would do nothing.
    """

    def build(now: Ledger, index: int) -> list[StepState]:
        states = now.states()
        code = rewrite(now.revisions[0].code, states[:index]).codes[-1]
        if not 0 <= start < end <= len(code):
            raise StepRefused("That place is not in the code before this step.")
        change = ledger.propose(code, ledger.apply(code, start, end, fixed_code))
        if change is None:
            raise StepRefused("Fixed_Code stands there already: the step would do nothing.")
        states[index] = replace(
            states[index],
            error_code=change.error_code,
            fixed_code=change.fixed_code,
            inert=False,
        )
        return states

    return _change(step, "step.anchored", build, by=by)


def move_step(step: FixStep, *, to: int, by: Actor) -> Outcome:
    """Put the step at another place of the order, counted from 1.

    Raises:
        StepRefused: there is no such place.
    """

    def build(now: Ledger, index: int) -> list[StepState]:
        states = now.states()
        if not 1 <= to <= len(states):
            raise StepRefused(f"There is no place {to} in a ledger of {len(states)} steps.")
        states.insert(to - 1, states.pop(index))
        return states

    return _change(step, "step.moved", build, by=by, to=to)


def remove_step(step: FixStep, *, by: Actor) -> Outcome:
    """Take a step out; those after it are replayed without it."""

    def build(now: Ledger, index: int) -> list[StepState]:
        states = now.states()
        del states[index]
        return states

    words = {"error": step.error, "fix_info": step.fix_info}
    code = {"error_code": step.error_code, "fixed_code": step.fixed_code}
    return _change(step, "step.removed", build, by=by, **words, **code)


def merge_with_next(step: FixStep, *, by: Actor) -> Outcome:
    """One step of this one and the next.

    Raises:
        StepRefused: there is no next one, one of the two does not apply, or together they do
            nothing.
    """

    def build(now: Ledger, index: int) -> list[StepState]:
        states = now.states()
        if index + 1 >= len(states):
            raise StepRefused("There is no step after this one.")
        first, second = now.steps[index], now.steps[index + 1]
        if first.after_id is None or second.after_id is None:
            raise StepRefused("Only steps that apply can be merged.")
        one = merged(
            states[index], states[index + 1], now.code(first.before_id), now.code(second.after_id)
        )
        if one is None:
            raise StepRefused("The second step takes the first one back: remove both instead.")
        states[index : index + 2] = [one]
        return states

    return _change(step, "step.merged", build, by=by)


def split_step(step: FixStep, *, first: Sequence[int], by: Actor) -> Outcome:
    """Two steps: what of `hunks.separable` is named in `first`, then the rest.

    Raises:
        StepRefused: the step does not apply, or one of the two would be empty.
    """

    def build(now: Ledger, index: int) -> list[StepState]:
        states, own = now.states(), now.steps[index]
        if own.after_id is None:
            raise StepRefused("Only a step that applies can be split.")
        before, after = now.code(own.before_id), now.code(own.after_id)
        found = hunks.separable(before, after)
        middle = hunks.with_hunks(before, found, first)
        if middle in (before, after):
            raise StepRefused("Choose some of the changes for the first step, not none, not all.")
        states[index : index + 1] = parts_of(states[index], [before, middle, after])
        return states

    return _change(step, "step.split", build, by=by)


@transaction.atomic
def restore(draft: Draft, was: dict[str, Any], *, by: Actor, action: str, **told: Any) -> Draft:
    """Make the ledger what a snapshot says; what it is now is kept with the event.

    Raises:
        StepRefused: the draft is approved.
    """
    now = Ledger.locked(draft)
    before = snapshot(now.draft)
    wanted = [(digest, origin) for digest, origin, _ in was["revisions"]]
    texts = dict(
        KeptText.objects.filter(pk__in=[digest for digest, _ in wanted]).values_list("pk", "text")
    )
    revisions = _write_revisions(now.draft, wanted, texts, by)
    keep = [step["pk"] for step in was["steps"]]
    now.draft.steps.exclude(pk__in=keep).delete()
    for order, step in enumerate(was["steps"], start=1):
        values = {name: value for name, value in step.items() if name != "pk"}
        for side in ("before", "after"):
            values[side] = None if step[side] is None else revisions[step[side]]
        category, subcategory = current(values["category_id"], values["subcategory_id"])
        values |= {"category_id": category, "subcategory_id": subcategory}
        values |= {"order": order, "draft": now.draft}
        FixStep.objects.update_or_create(pk=step["pk"], defaults=values)
    changed(now.draft)
    record(
        action,
        now.draft,
        dataset=now.draft.example.dataset,
        by=by,
        ledger_was=before,
        **told,
    )
    return now.draft


@transaction.atomic
def settle(step: FixStep, settled: bool, *, by: Actor) -> FixStep:
    """Say that a step which does not apply is meant to stay as it is."""
    step = FixStep.objects.select_for_update().get(pk=step.pk)
    if step.settled != settled:
        step.settled = settled
        step.save(update_fields=["settled"])
        action = "step.settled" if settled else "step.unsettled"
        record(action, step, dataset=step.draft.example.dataset, by=by)
    return step
