"""Ask many calls at a time, or one and wait for it."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from curation.enums import CallState
from curation.llm import pipeline
from curation.llm.alive import beating, name_of
from curation.llm.calls import LlmError, plan
from curation.llm.client import Trouble
from curation.llm.pipeline import Over, Wait
from curation.llm.prompts import Messages
from curation.models import Call, CallBatch, LanguageModel, PromptVersion

MOST_THREADS = 16
_LONGEST_NAP = 1.0


def ask(
    model: LanguageModel,
    messages: Messages,
    *,
    prompt: PromptVersion | None = None,
    params: dict[str, Any] | None = None,
    sample: int = 0,
    anew: bool = False,
    batch: CallBatch | None = None,
    subject: str = "",
) -> Call:
    """The answered call to a question: the stored one, or one that is asked now and waited for.

    Raises:
        LlmError: there is no answer.
    """
    call = plan(
        model,
        messages,
        prompt=prompt,
        params=params,
        sample=sample,
        anew=anew,
        batch=batch,
        subject=subject,
    )
    asking = Asking(batch)
    while call.state not in (CallState.ANSWERED, CallState.FAILED):
        wait = asking.step(call.pk)
        if wait:
            time.sleep(min(wait, _LONGEST_NAP))
        call.refresh_from_db()
    if call.state == CallState.FAILED:
        raise LlmError(call.error)
    return call


@dataclass(slots=True)
class Asking:
    """Tries to get calls answered, and how long a provider has been failing meanwhile."""

    batch: CallBatch | None
    failing_since: float | None = None

    def step(self, call_id: int) -> float | None:
        """Bring a call further; seconds to wait before the next try, None when it is over.

        Raises:
            LlmError: no other call would fare better.
        """
        if pipeline.patiently(lambda: pipeline.take_recorded(call_id)):
            return None
        # The courier's process is the one that must live for the answer to come.
        worker = name_of(pipeline.courier().pid)
        found = pipeline.patiently(lambda: pipeline.claim(call_id, self.batch, worker))
        if isinstance(found, Over):
            return None
        if isinstance(found, Wait):
            return found.seconds
        try:
            pipeline.ask_claimed(found)
        except Trouble as trouble:
            self._check_patience(trouble)
            backoff: float = settings.T2J_LLM_BACKOFF
            return backoff * random.random()  # noqa: S311 (spreads the tries)
        self.failing_since = None
        return 0.0

    def _check_patience(self, trouble: Trouble) -> None:
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if now - self.failing_since > settings.T2J_LLM_PATIENCE:
            raise LlmError(
                f"{trouble.sentence} It went on for {now - self.failing_since:.0f} s. Resume when "
                "the provider answers again; what was answered is kept.",
                stops_batch=True,
            )


@dataclass(slots=True)
class Runner:
    """Asks the calls of a batch on several threads until all are over or something stops it."""

    batch: CallBatch
    on_over: Callable[[int], None]
    deadline: float = float("inf")
    stop: threading.Event = field(default_factory=threading.Event)
    problem: LlmError | None = None
    _queue: deque[int] = field(default_factory=deque)
    _crash: BaseException | None = None

    def run(self, call_ids: Iterable[int], threads: int) -> bool:
        """True when every call is over.

        Raises:
            LlmError: the batch cannot go on; `str` of it says why.
        """
        self._queue.extend(call_ids)
        with beating(self.batch.pk):
            try:
                self._work_on(min(threads, len(self._queue), MOST_THREADS))
            finally:
                self.stop.set()
        if self._crash is not None:
            raise self._crash
        if self.problem is not None:
            raise self.problem
        return not self._queue

    def _work_on(self, threads: int) -> None:
        """One thread's work is done by this one."""
        if threads <= 1:
            self._work()
            return
        workers = [
            threading.Thread(target=self._work_apart, name=f"asking-{number}", daemon=True)
            for number in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                worker.join(0.2)

    def _work_apart(self) -> None:
        try:
            self._work()
        finally:
            connection.close()

    def _work(self) -> None:
        asking = Asking(self.batch)
        try:
            while not self.stop.is_set() and time.monotonic() < self.deadline:
                try:
                    call_id = self._queue.popleft()
                except IndexError:
                    return
                self._bring_on(asking, call_id)
        except LlmError as error:
            self.problem = self.problem or error
            self.stop.set()
        except BaseException as error:  # the thread that waits must hear of it
            self._crash = error
            self.stop.set()

    def _bring_on(self, asking: Asking, call_id: int) -> None:
        try:
            wait = asking.step(call_id)
        except BaseException:
            self._queue.append(call_id)
            raise
        if wait is None:
            pipeline.patiently(lambda: self.on_over(call_id))
            return
        # An answered call comes by once more to be told; the others wait for their turn.
        (self._queue.append if wait else self._queue.appendleft)(call_id)
        if wait:
            self.stop.wait(min(wait, _LONGEST_NAP))
