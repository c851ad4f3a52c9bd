"""Scores that cost nothing follow what is stored, by themselves."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import shared_task
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from kombu.exceptions import OperationalError

from curation.enums import BatchState
from curation.llm.alive import beating
from curation.llm.calls import RECORDED
from curation.models import FixStep, LanguageModel
from executor.models import Measurement, Verdict
from scoring import judging
from scoring.enums import TranslationState
from scoring.judging import default_judges
from scoring.metrics import COMPUTED, METRICS
from scoring.models import Experiment, Score, Translation
from scoring.score_book import Report
from scoring.scores import update

logger = logging.getLogger(__name__)

QUEUE = "llm"
# Which advisory locks of the database are ours.
_LOCKS = 7_150_301


@shared_task(name="scoring.tasks.score_experiment")
def score_experiment(experiment_id: int, paid: bool = False) -> None:
    """Bring an experiment's scores up to date; `paid` judges only when a person asked for it."""
    experiment = Experiment.objects.get(pk=experiment_id)
    judges = default_judges(experiment)
    if not paid:
        judges = [judge for judge in judges if is_free(judge)]
    with connection.cursor() as cursor:
        # Held by the connection: a killed worker lets go of it.
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, experiment_id])
        if not cursor.fetchone()[0]:
            return
        try:
            update_all = partial(
                update, experiment, metrics=list(METRICS if judges else COMPUTED), judges=judges
            )
            report = _wanted(experiment, update_all) if paid else update_all()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, experiment_id])
    logger.info("experiment %s: %s scores stored %s", experiment, report.stored, report.stopped)


def _wanted(experiment: Experiment, update_all: Callable[[], Report]) -> Report:
    """Scores that somebody asked for: a worker that dies meanwhile is followed by another."""
    try:
        with beating(judging.purse_of(experiment).pk):
            report = update_all()
    except (DatabaseError, InterfaceError):
        raise  # it comes back, and with it whoever takes over
    except Exception as error:
        # Another worker would fall over the same stone, again and again.
        judging.end(experiment, f"It broke off: {error}"[:300])
        raise
    judging.end(experiment, report.stopped)
    return report


def is_free(judge: LanguageModel) -> bool:
    return judge.base_url.startswith(RECORDED)


def send(experiment_id: int, *, paid: bool = False) -> None:
    """Ask a worker to score. A message that nobody takes is worth nothing after a while."""
    try:
        score_experiment.apply_async((experiment_id, paid), queue=QUEUE, retry=False, expires=60)
    except OperationalError as error:
        logger.warning("scores of experiment %s wait for the broker: %s", experiment_id, error)


def look_after_judges() -> None:
    """Have judges asked on whose worker died, or whose message was lost."""
    for experiment_id in judging.take_lost():
        send(experiment_id, paid=True)


def look_after_scores(seen: dict[int, object]) -> None:
    """Have those experiments scored of which anything changed since `seen`, which is kept."""
    for experiment_id, state in states():
        if seen.get(experiment_id) != state:
            send(experiment_id)
            seen[experiment_id] = state


def states() -> list[tuple[int, object]]:
    """Experiments that are not being drafted, with what scores follow.

    That is drafts, verdicts, steps and measured run times.
    """
    of_experiment = Translation.objects.filter(setting__experiment=OuterRef("pk"))
    drafted = of_experiment.filter(state=TranslationState.DRAFTED)
    verdicts = Verdict.objects.filter(run__example__dataset=OuterRef("dataset"))
    steps = FixStep.objects.filter(draft__example__dataset=OuterRef("dataset"))
    times = Measurement.objects.filter(example__dataset=OuterRef("dataset"))
    rows = Experiment.objects.exclude(batch__state=BatchState.RUNNING).values_list(
        *("pk", _newest(drafted), _count(drafted), _newest(verdicts), _newest(times)),
        *("reference", _newest(steps), _count(steps)),
    )
    return [(pk, state) for pk, *state in rows]


def _newest(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by("-pk").values("pk")[:1])


def _count(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values(one=Value(1)).annotate(n=Count("pk")).values("n"))


def outdated() -> QuerySet[Experiment]:
    """Experiments with a translation that nobody scored, or whose verdict is newer than that."""
    scores = Score.objects.filter(translation=OuterRef("pk"))
    translations = Translation.objects.filter(setting__experiment=OuterRef("pk"))
    drafted = translations.filter(state=TranslationState.DRAFTED)
    unscored = drafted.filter(~Exists(scores.filter(measure="codebleu")))
    verdicts = drafted.filter(run__verdict__isnull=False).annotate(
        decided_at=F("run__verdict__created_at")
    )
    newer = scores.filter(measure="matches", created_at__gte=OuterRef("decided_at"))
    undecided = verdicts.filter(~Exists(newer))
    return Experiment.objects.filter(Q(Exists(unscored)) | Q(Exists(undecided))).exclude(
        batch__state=BatchState.RUNNING
    )
