"""Marks and choices that language models give, asked through the one door for calls."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from django.db import connections
from django.utils import timezone

from curation.enums import BatchState, CallState, ModelRole, PromptUse
from curation.llm.calls import RECORDED, LlmError
from curation.llm.prompts import current, fill
from curation.llm.purse import spend_of
from curation.llm.runner import ask
from curation.models import Call, CallBatch, LanguageModel
from scoring.metrics.base import Case, Judged, Question, Value, digest
from scoring.models import Experiment, Score
from scoring.score_book import Book, Report

Progress: TypeAlias = Callable[[str, int, int], None]
Answer: TypeAlias = tuple[Question, Call | None, str]

# A worker that asks judges tells every three seconds that it is at it.
LOST_AFTER = timedelta(seconds=15)
_TITLE = "judges of "
NO_NUMBER = "the judge was asked twice and gave no score"


class Judge:
    """A language model with the newest wording of a metric's prompt and the purse that pays."""

    def __init__(self, metric: Judged, model: LanguageModel, experiment: Experiment) -> None:
        self.metric, self.model = metric, model
        self.prompt = current(PromptUse(metric.use))
        self.batch = purse_of(experiment)

    @property
    def signed(self) -> dict[str, Any]:
        """What a score says of its judge."""
        return {
            "name": self.model.name,
            "model_id": self.model.model_id,
            "params": self.model.params,
            "prompt": self.prompt.sha256,
        }

    def ask(self, question: Question) -> tuple[Call, float | None]:
        """The answer with its number; one without a number is asked for once more.

        Raises:
            LlmError: there is no answer.
        """
        call = self._call(question, anew=False)
        value = self.metric.read(call.text)
        if value is None and call.edition == 0:
            call = self._call(question, anew=True)
            value = self.metric.read(call.text)
        return call, value

    def _call(self, question: Question, *, anew: bool) -> Call:
        return ask(
            self.model,
            fill(self.prompt, question.fields),
            prompt=self.prompt,
            sample=question.repeat,
            anew=anew,
            batch=self.batch,
            subject=question.subject,
        )


def purse_of(experiment: Experiment) -> CallBatch:
    """The batch that pays for an experiment's judges: as much again as its drafts may cost."""
    title = _title(experiment)
    return CallBatch.objects.filter(title=title).order_by("pk").first() or CallBatch.objects.create(
        title=title, spend_limit=experiment.batch.spend_limit
    )


@dataclass(frozen=True, slots=True)
class AtWork:
    """What an experiment's judges cost so far, how many questions are open, why they stopped."""

    spent: Decimal
    limit: Decimal | None
    open: int
    reason: str


def at_work(experiment: Experiment) -> AtWork | None:
    """None while no judge was asked anything."""
    purse = CallBatch.objects.filter(title=_title(experiment)).order_by("pk").first()
    if purse is None or not purse.calls.exists():
        return None
    asking = purse.calls.filter(state__in=[CallState.WAITING, CallState.ASKING])
    return AtWork(spend_of(purse).total, purse.spend_limit, asking.count(), purse.reason)


def _title(experiment: Experiment) -> str:
    return f"{_TITLE}{experiment.slug}"


def open_purse(experiment: Experiment) -> None:
    """Let judges be asked again after they were stopped."""
    CallBatch.objects.filter(pk=purse_of(experiment).pk, state=BatchState.STOPPED).update(
        state=BatchState.READY, reason=""
    )


def begin(experiment: Experiment) -> None:
    """Say that the judges are wanted until they are through, whichever worker asks them."""
    CallBatch.objects.filter(pk=purse_of(experiment).pk).update(
        state=BatchState.RUNNING, reason="", heartbeat_at=timezone.now()
    )


def end(experiment: Experiment, reason: str = "") -> None:
    """Nobody needs to take over: they are through, or `reason` says what stands in the way."""
    state = BatchState.STOPPED if reason else BatchState.READY
    running = CallBatch.objects.filter(pk=purse_of(experiment).pk, state=BatchState.RUNNING)
    running.update(state=state, reason=reason)


def take_lost() -> list[int]:
    """Experiments whose judges are wanted and asked by nobody: the worker died, or none came.

    Whoever looks first has them; the others see a fresh heartbeat.
    """
    before = timezone.now() - LOST_AFTER
    lost = CallBatch.objects.filter(
        title__startswith=_TITLE, state=BatchState.RUNNING, heartbeat_at__lt=before
    )
    mine = [
        purse.title.removeprefix(_TITLE)
        for purse in lost
        if lost.filter(pk=purse.pk).update(heartbeat_at=timezone.now())
    ]
    return list(Experiment.objects.filter(slug__in=mine).values_list("pk", flat=True))


def default_judges(experiment: Experiment) -> list[LanguageModel]:
    """The judges that judged before; else every enabled judge, recorded ones for recorded drafts.

    A recording knows its own experiment's translations and no others.
    """
    before = Score.objects.filter(setting__experiment=experiment).exclude(judge="")
    judges = LanguageModel.objects.filter(role=ModelRole.JUDGE, enabled=True)
    if names := set(before.order_by().values_list("judge", flat=True).distinct()):
        return list(judges.filter(name__in=names))
    recorded = experiment.settings.filter(model__base_url__startswith=RECORDED).exists()
    chosen = judges.filter if recorded else judges.exclude
    return list(chosen(base_url__startswith=RECORDED))


def judge_scores(
    judge: Judge,
    cases: Sequence[Case],
    book: Book,
    report: Report,
    *,
    repeats: int,
    progress: Progress,
) -> None:
    """Ask what is not answered yet; each answer is stored as it comes."""
    metric, signed = judge.metric, judge.signed
    todo: list[Question] = []
    for question in metric.questions(cases, repeats):
        key = (question.case, question.other, question.measure, judge.model.name, question.repeat)
        if book.has(key, metric, digest(dict(question.fields)), signed):
            report.current += 1
        else:
            todo.append(question)
    for done, (question, call, error) in enumerate(_answers(judge, todo, report), start=1):
        if call is None:
            report.unasked[error] += 1
        else:
            book.store([_row(judge, book, question, call)])
            report.stored += 1
        progress(f"{metric.title}, {judge.model.name}", done, len(todo))


def _row(judge: Judge, book: Book, question: Question, call: Call) -> Score:
    number = judge.metric.read(call.text)
    value = Value(
        question.case,
        question.measure,
        number,
        "" if number is not None else NO_NUMBER,
        other=question.other,
        repeat=question.repeat,
    )
    inputs = digest(dict(question.fields))
    return book.row(judge.metric, value, inputs, judge=judge.signed, call_id=call.pk)


def _answers(judge: Judge, questions: Sequence[Question], report: Report) -> Iterator[Answer]:
    """Each question with its call, or with why there is none; stops when none would fare better."""
    if judge.model.base_url.startswith(RECORDED):
        found: Iterator[Answer | LlmError] = (_try(judge, question) for question in questions)
    else:
        found = _in_threads(judge, questions)
    for each in found:
        if isinstance(each, LlmError):
            report.stopped = str(each)
            return
        yield each


def _try(judge: Judge, question: Question) -> Answer | LlmError:
    try:
        return question, judge.ask(question)[0], ""
    except LlmError as error:
        return error if error.stops_batch else (question, None, str(error))


def _in_threads(judge: Judge, questions: Sequence[Question]) -> Iterator[Answer | LlmError]:
    """As many questions at a time as the model takes."""

    def work(question: Question) -> Answer | LlmError:
        try:
            return _try(judge, question)
        finally:
            connections.close_all()

    left = iter(questions)
    width = judge.model.concurrency
    with ThreadPoolExecutor(width) as pool:
        running: set[Future[Answer | LlmError]] = set()
        while True:
            running |= {pool.submit(work, each) for each in islice(left, width - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
