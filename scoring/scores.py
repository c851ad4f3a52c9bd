"""The one door through which scores are stored: each once, until what it was made from changes."""

from collections.abc import Sequence

from curation.models import LanguageModel
from scoring.cases import load_cases
from scoring.judging import Judge, Progress, judge_scores
from scoring.metrics import COMPUTED, JUDGED, METRICS
from scoring.metrics.base import Case, Computed, Metric, digest
from scoring.models import Experiment
from scoring.score_book import CHUNK, Book, Report

REPEATS = 2


class UnknownMetric(Exception):
    """There is no such metric; the text lists those there are."""


def metrics_named(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names; all of them for none.

    Raises:
        UnknownMetric
    """
    for name in names:
        if name not in METRICS:
            raise UnknownMetric(f"There is no metric “{name}”. Metrics: {', '.join(METRICS)}.")
    return [metric for name, metric in METRICS.items() if not names or name in names]


def update(
    experiment: Experiment,
    *,
    metrics: Sequence[str] = (),
    judges: Sequence[LanguageModel] = (),
    repeats: int = REPEATS,
    progress: Progress = lambda _name, _done, _total: None,
) -> Report:
    """Compute and ask for every score that is missing or out of date.

    What is stored stays stored whenever this ends: run it again and it goes on.

    Raises:
        UnknownMetric
    """
    chosen = metrics_named(metrics)
    cases = load_cases(experiment)
    book = Book(experiment)
    report = Report()
    for metric in chosen:
        if metric.name in COMPUTED:
            _compute(COMPUTED[metric.name], cases, book, report, progress)
    for metric in chosen:
        if metric.name in JUDGED:
            for model in judges:
                judge = Judge(JUDGED[metric.name], model, experiment)
                judge_scores(judge, cases, book, report, repeats=repeats, progress=progress)
                if report.stopped:
                    return report
    return report


def _compute(
    metric: Computed, cases: Sequence[Case], book: Book, report: Report, progress: Progress
) -> None:
    names = [measure.name for measure in metric.measures]
    todo: list[tuple[Case, str]] = []
    for case in cases:
        reads = metric.reads(case)
        if reads is None:
            continue
        inputs = digest(reads)
        if all(book.has((case.id, None, name, "", 0), metric, inputs) for name in names):
            report.current += len(names)
        else:
            todo.append((case, inputs))
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]
        found = metric.score([case for case, _ in chunk])
        book.store(
            book.row(metric, value, inputs)
            for (_, inputs), values in zip(chunk, found, strict=True)
            for value in values
        )
        report.stored += sum(len(values) for values in found)
        progress(metric.title, start + len(chunk), len(todo))
