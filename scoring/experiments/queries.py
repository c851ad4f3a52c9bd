"""Questions about experiments that pages and commands ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, QuerySet

from curation.enums import BatchState
from curation.llm.purse import spend_of
from executor.enums import RunState
from scoring.enums import TranslationState
from scoring.experiments.policy import Policy
from scoring.models import Experiment, Setting, Translation


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of an experiment with what came of its translations."""

    setting: Setting
    planned: int
    drafted: int
    no_code: int
    failed: int
    passed: int
    rejected: int
    undecided: int
    waiting: int

    @property
    def policy(self) -> str:
        """The setting's context in words."""
        return str(Policy.of(self.setting.context))

    @property
    def total(self) -> int:
        return self.planned + self.drafted + self.no_code + self.failed

    @property
    def over(self) -> int:
        return self.total - self.planned


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an experiment is, and what it cost in the currency of the price table."""

    rows: Sequence[SettingRow]
    spent: Decimal
    under_way: Decimal

    @property
    def total(self) -> int:
        return sum(row.total for row in self.rows)

    @property
    def over(self) -> int:
        return sum(row.over for row in self.rows)

    @property
    def verified(self) -> int:
        return sum(row.passed + row.rejected + row.undecided for row in self.rows)

    @property
    def waiting(self) -> int:
        return sum(row.waiting for row in self.rows)


def translations_of(experiment: Experiment) -> QuerySet[Translation]:
    """With everything that a list shows; without the code."""
    return (
        Translation.objects.filter(setting__experiment=experiment)
        .select_related("setting", "example", "run__verdict")
        .defer("code", "example__pytorch_code", "run__code", "run__verdict__report")
        .order_by("example__position", "example_id", "setting__position", "sample")
    )


def outcome_of(translation: Translation) -> str:
    """One word or two for what came of a translation."""
    if translation.state != TranslationState.DRAFTED:
        return translation.get_state_display().lower()
    run = translation.run
    if run is None:
        return "not run"
    if run.state != RunState.FINISHED:
        return run.get_state_display().lower()
    detail = run.verdict.kind or run.verdict.reason
    return f"{run.verdict.outcome} {detail}".strip().replace("_", " ")


def progress_of(experiment: Experiment) -> Progress:
    """In three queries, whatever the number of translations."""
    state, run = "translations__state", "translations__run"
    drafted = Q(**{state: TranslationState.DRAFTED})
    counted = experiment.settings.select_related("model", "prompt__template").annotate(
        n_planned=Count("translations", filter=Q(**{state: TranslationState.PLANNED})),
        n_drafted=Count("translations", filter=drafted),
        n_no_code=Count("translations", filter=Q(**{state: TranslationState.NO_CODE})),
        n_failed=Count("translations", filter=Q(**{state: TranslationState.FAILED})),
        n_pass=Count("translations", filter=Q(**{f"{run}__verdict__outcome": "pass"})),
        n_fail=Count("translations", filter=Q(**{f"{run}__verdict__outcome": "fail"})),
        n_undecided=Count("translations", filter=Q(**{f"{run}__verdict__outcome": "undecided"})),
    )
    rows = [
        SettingRow(
            each,
            each.n_planned,
            each.n_drafted,
            each.n_no_code,
            each.n_failed,
            each.n_pass,
            each.n_fail,
            each.n_undecided,
            each.n_drafted - each.n_pass - each.n_fail - each.n_undecided,
        )
        for each in counted
    ]
    spend = spend_of(experiment.batch)
    return Progress(rows, spend.paid + spend.lost, spend.under_way)


def is_live(experiment: Experiment, progress: Progress) -> bool:
    """Whether the page should look again by itself."""
    return experiment.batch.state == BatchState.RUNNING or bool(progress.waiting)


def is_drafted(experiment: Experiment) -> bool:
    """Whether every example, also one that came later, is drafted under every setting."""
    examples = experiment.dataset.examples.filter(not_runnable="").count()
    drafted = Translation.objects.filter(
        setting__experiment=experiment, state=TranslationState.DRAFTED
    )
    return drafted.count() == examples * experiment.settings.count()
