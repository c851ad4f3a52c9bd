"""The machines' door to experiments: ask what is open, take the code out, have it executed."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from curation.enums import BatchState, CallState, ModelRole, PromptKind, PromptUse, Role
from curation.llm.answers import find_code, read_message
from curation.llm.calls import BY_HAND, RECORDED, LlmError
from curation.llm.pipeline import absorb, patiently
from curation.llm.runner import Runner
from curation.models import CallBatch, Draft, Revision
from curation.models.base import sha256
from curation.services.drafts import add_draft
from executor.enums import Priority
from executor.services import request_run
from scoring.enums import TranslationState
from scoring.experiments.planning import plan_translations
from scoring.models import Experiment, Translation

# Called with the translations that are over and all of them.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Work:
    """One process's part in an experiment that is being run."""

    experiment: Experiment
    progress: Progress = lambda over, total: None
    deadline: float = float("inf")

    def run(self) -> bool:
        """Bring the experiment on; True when no translation is open any more.

        Raises:
            LlmError: it was stopped; the text says why and is kept with its batch.
        """
        patiently(absorb)
        patiently(lambda: plan_translations(self.experiment))
        patiently(self._settle_answered)
        open_calls = patiently(self._open_calls)
        patiently(self._tell)
        runner = Runner(self.experiment.batch, self._on_over, self.deadline)
        try:
            done = runner.run(open_calls, threads=self._threads())
        except LlmError as error:
            stop_batch(self.experiment.batch, str(error))
            raise
        except KeyboardInterrupt:
            stop_batch(self.experiment.batch, "It was interrupted. Resume to go on.")
            raise
        if done:
            patiently(lambda: finish(self.experiment))
        return done

    def _on_over(self, call_id: int) -> None:
        for translation in translations().filter(
            call=call_id, state=TranslationState.PLANNED, setting__experiment=self.experiment
        ):
            settle(translation)
        self._tell()

    def _settle_answered(self) -> None:
        """What was answered while nobody could take the code out."""
        over = [CallState.ANSWERED, CallState.FAILED]
        for translation in translations().filter(
            setting__experiment=self.experiment,
            state=TranslationState.PLANNED,
            call__state__in=over,
        ):
            settle(translation)

    def _open_calls(self) -> list[int]:
        found = Translation.objects.filter(
            setting__experiment=self.experiment,
            state=TranslationState.PLANNED,
            call__isnull=False,
        )
        return list(dict.fromkeys(found.values_list("call_id", flat=True)))

    def _threads(self) -> int:
        models = {each.model for each in self.experiment.settings.select_related("model")}
        asked = [each for each in models if not each.base_url.startswith((RECORDED, BY_HAND))]
        return sum(model.concurrency for model in asked)

    def _tell(self) -> None:
        found = Translation.objects.filter(setting__experiment=self.experiment)
        self.progress(found.exclude(state=TranslationState.PLANNED).count(), found.count())


def translations() -> QuerySet[Translation]:
    """Translations with all that settling one reads."""
    return Translation.objects.select_related(
        "example__dataset",
        "call",
        "setting__model",
        "setting__prompt__template",
        "setting__experiment",
    )


@transaction.atomic
def settle(translation: Translation) -> None:
    """Take a call's outcome over: the code in its answer, or why there is none."""
    call = translation.call
    assert call is not None
    mine = Translation.objects.filter(pk=translation.pk, state=TranslationState.PLANNED)
    if call.state == CallState.FAILED:
        mine.update(state=TranslationState.FAILED, note=call.error)
        return
    assert call.raw is not None
    found = find_code(read_message(call.raw))
    if not found.code:
        mine.update(state=TranslationState.NO_CODE, note=found.note)
        return
    if mine.update(
        state=TranslationState.DRAFTED,
        code=found.code,
        code_hash=sha256(found.code),
        note=found.note,
    ):
        translation.refresh_from_db(fields=["code", "code_hash", "note", "state"])
        execute(translation)


def execute(translation: Translation) -> None:
    """Have a translation's code run, and tie it to the repair queue."""
    experiment, example = translation.setting.experiment, translation.example
    translation.draft, translation.from_revision = _draft_with(translation)
    if translation.draft is None and experiment.to_queue:
        translation.draft = queue(translation)
    translation.run = request_run(
        example,
        translation.code,
        draft=translation.draft,
        runtime=translation.setting.runtime,
        priority=Priority.BATCH,
        by=experiment.created_by,
    )
    translation.save(update_fields=["draft", "from_revision", "run"])


def _draft_with(translation: Translation) -> tuple[Draft | None, int]:
    """A draft of the example that holds this code already, and at which revision."""
    held = Revision.objects.filter(
        draft__example=translation.example, sha256=translation.code_hash
    ).select_related("draft")
    revision = held.order_by("draft_id", "number").first()
    return (revision.draft, revision.number) if revision else (None, 0)


def queue(translation: Translation) -> Draft:
    """A draft of the translation, for people to repair."""
    setting, call = translation.setting, translation.call
    augmented = setting.prompt.template.use == PromptUse.AUGMENTED
    return add_draft(
        translation.example,
        raw_answer=call.text if call else translation.code,
        code=translation.code,
        role=Role.CHEAP if setting.model.role == ModelRole.CHEAP else Role.COSTLY,
        model=setting.model.name,
        prompt_kind=PromptKind.AUGMENTED if augmented else PromptKind.STANDARD,
        by=setting.experiment.created_by,
    )


def stop_batch(batch: CallBatch, reason: str) -> None:
    """The batch asks nothing more; what is under way is still stored."""
    patiently(
        lambda: CallBatch.objects.filter(pk=batch.pk, state=BatchState.RUNNING).update(
            state=BatchState.STOPPED, reason=reason
        )
    )


def finish(experiment: Experiment) -> None:
    """Nothing is left to ask. Translations by hand may still wait for their answers."""
    by_hand = Translation.objects.filter(
        setting__experiment=experiment,
        state=TranslationState.PLANNED,
        setting__model__base_url__startswith=BY_HAND,
    ).count()
    state = BatchState.STOPPED if by_hand else BatchState.FINISHED
    reason = f"{by_hand} answers are to be pasted by hand." if by_hand else ""
    CallBatch.objects.filter(pk=experiment.batch_id, state=BatchState.RUNNING).update(
        state=state, reason=reason
    )
