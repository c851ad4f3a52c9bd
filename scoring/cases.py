"""The translations of an experiment as metrics see them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Prefetch
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from curation.enums import DraftStatus, StepKind
from curation.models import Draft, Example, FixStep
from curation.records import RECORD_PARTS, record_of
from executor.models import Run
from executor.parity.outcome import Outcome, Stage
from executor.queries import runs_of
from scoring.enums import TranslationState
from scoring.measured import Measured, measured_times
from scoring.metrics.base import Case, Times, Verdict
from scoring.metrics.fixcost import StepEffort, changed
from scoring.models import Experiment, Translation

_RUNGS = {str(stage): rung for rung, stage in enumerate(Stage)}
_TIMINGS = KeyTransform("timings", "run__verdict__report")
VERIFYING = "one run while it was verified, imports not counted"


def load_cases(experiment: Experiment) -> list[Case]:
    """Every translation of an experiment, settings in their order, then examples in theirs."""
    translations = list(_translations(experiment))
    examples = {each.example_id for each in translations}
    references = reference_codes(experiment, examples)
    efforts = _efforts({each.draft_id for each in translations if each.draft_id})
    measured = measured_times(examples)
    return [_case(each, experiment, references, efforts, measured) for each in translations]


def _translations(experiment: Experiment) -> Iterable[Translation]:
    return (
        Translation.objects.filter(setting__experiment=experiment)
        .select_related("setting", "example", "draft", "run__verdict")
        .defer("run__code", "run__verdict__report", "draft__raw_answer", "context", "note")
        .annotate(
            reference_seconds=KeyTextTransform("reference", _TIMINGS),
            candidate_seconds=KeyTextTransform("candidate", _TIMINGS),
        )
        .order_by("setting__position", "setting_id", "example__position", "example_id", "sample")
    )


def _case(
    translation: Translation,
    experiment: Experiment,
    references: dict[int, str],
    efforts: dict[int, list[tuple[int, StepEffort]]],
    measured: Measured,
) -> Case:
    setting, example = translation.setting, translation.example
    own = setting.pk == experiment.reference_id
    return Case(
        id=translation.pk,
        setting=setting.name,
        runtime=setting.runtime,
        example=example.example_id,
        sample=translation.sample,
        pytorch_code=example.pytorch_code,
        code=_code(translation),
        # Held against itself a translation would score 1 for nothing.
        reference="" if own else references.get(example.pk, ""),
        verdict=_verdict(translation.run),
        steps=_steps(translation, efforts),
        times=measured.of(translation) or _verdict_times(translation),
    )


def _code(translation: Translation) -> str | None:
    if translation.state == TranslationState.DRAFTED:
        return translation.code
    return "" if translation.state == TranslationState.NO_CODE else None


def _verdict(run: Run | None) -> Verdict | None:
    verdict = getattr(run, "verdict", None)
    if verdict is None:
        return None
    return Verdict(verdict.outcome, verdict.stage, verdict.kind, verdict.reason)


def _verdict_times(translation: Translation) -> Times | None:
    found: dict[str, Any] = translation.__dict__
    reference, candidate = found["reference_seconds"], found["candidate_seconds"]
    if reference is None or candidate is None:
        return None
    return Times(float(reference), float(candidate), VERIFYING)


def reference_codes(experiment: Experiment, examples: Iterable[int]) -> dict[int, str]:
    """What translations are held against, by example id: fixed code, or a setting's first ones."""
    if experiment.reference_id:
        drafted = Translation.objects.filter(
            setting=experiment.reference_id, sample=0, state=TranslationState.DRAFTED
        )
        return dict(drafted.values_list("example_id", "code"))
    found = Example.objects.filter(pk__in=examples).prefetch_related(*RECORD_PARTS)
    return {example.pk: record_of(example).final_code for example in found}


def _steps(
    translation: Translation, efforts: dict[int, list[tuple[int, StepEffort]]]
) -> tuple[StepEffort, ...] | None:
    """The steps from this translation's code on; None while nobody has taken it up."""
    draft = translation.draft
    if draft is None:
        return None
    steps = efforts.get(draft.pk, [])
    own = tuple(effort for number, effort in steps if number >= translation.from_revision)
    return own if own or draft.status != DraftStatus.DRAFT else None


def _efforts(draft_ids: set[int]) -> dict[int, list[tuple[int, StepEffort]]]:
    """Draft id -> (number of the revision before a step, the step's effort)."""
    ordered = FixStep.objects.select_related("before", "after").order_by("order")
    drafts = Draft.objects.filter(pk__in=draft_ids).select_related("example__dataset")
    found = {}
    for draft in drafts.prefetch_related(Prefetch("steps", ordered), "example__attachments"):
        steps = list(draft.steps.all())
        rungs = _rungs(draft, steps)
        found[draft.pk] = [
            (step.before.number if step.before else 0, _effort(step, rungs)) for step in steps
        ]
    return found


def _rungs(draft: Draft, steps: Sequence[FixStep]) -> dict[int, int | None]:
    """Revision id -> how far up the ladder its verdict got; a pass stands above all rungs."""
    revisions = {rev.pk: rev for step in steps for rev in (step.before, step.after) if rev}
    for revision in revisions.values():
        revision.draft = draft
    return {pk: _rung(run) for pk, run in runs_of(revisions.values()).items()}


def _rung(run: Run) -> int | None:
    verdict = _verdict(run)
    if verdict is None or verdict.outcome == Outcome.UNDECIDED:
        return None
    return len(_RUNGS) if verdict.outcome == Outcome.PASS else _RUNGS.get(verdict.stage)


def _effort(step: FixStep, rungs: dict[int, int | None]) -> StepEffort:
    before = step.before.code if step.before else step.error_code
    after = step.after.code if step.after else step.fixed_code
    lines, tokens = changed(before, after)
    low, high = rungs.get(step.before_id or 0), rungs.get(step.after_id or 0)
    return StepEffort(
        behaviour=step.kind == StepKind.BEHAVIOUR,
        seconds=step.seconds or None,
        lines=lines,
        tokens=tokens,
        rungs=None if low is None or high is None else max(0, high - low),
    )
