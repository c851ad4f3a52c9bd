"""Requests in a process of their own, which outlives the one that wants the answers.

A worker that is killed leaves its requests under way. Their answers are paid for: the courier
waits for them, writes them to the journal, and ends when none is left. Plain Python.

    python -m curation.llm.courier JOURNAL      jobs on stdin, results on stdout, a JSON a line
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from curation.llm.client import Answer, Endpoint, Trouble, TroubleKind, complete
from curation.llm.journal import Journal

MOST_AT_A_TIME = 32


@dataclass(frozen=True, slots=True)
class Job:
    """One request, made under one claim of a call."""

    call: int
    claim: str
    endpoint: Endpoint
    messages: list[dict[str, Any]]
    params: dict[str, Any]
    idempotency_key: str


class Courier:
    """The parent's end. Threads may share it; it starts with the first job."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._waiting: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process that asks: while it lives, its answers are on their way."""
        with self._lock:
            return self._running().pid

    def ask(self, job: Job) -> Answer:
        """
        Raises:
            Trouble: there is no answer.
        """
        future: Future[None] = Future()
        with self._lock:
            process = self._running()
            self._waiting[job.claim] = future
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(asdict(job)) + "\n")
                process.stdin.flush()
            except OSError:
                self._waiting.pop(job.claim, None)
                raise Trouble(TroubleKind.DOWN, "The process that asks has ended.") from None
        future.result()
        entry = self.journal.read(job.claim)
        assert entry is not None, "an answer is in the journal before it is told"
        return entry.answer

    def close(self) -> None:
        """Give out no more jobs; the process ends by itself after its last answer."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "curation.llm.courier", str(self.journal.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
                env=_environment(),
            )
            self._waiting = {}
            listener = threading.Thread(
                target=self._listen, args=(self._process.stdout, self._waiting), daemon=True
            )
            listener.start()
        return self._process

    def _listen(self, results: IO[str], waiting: dict[str, Future[None]]) -> None:
        for line in results:
            result = json.loads(line)
            future = waiting.pop(result["claim"], None)
            if future is None:
                continue
            trouble = result["trouble"]
            if trouble is None:
                future.set_result(None)
            else:
                kind = TroubleKind(trouble["kind"])
                future.set_exception(Trouble(kind, trouble["sentence"], trouble["retry_after"]))
        with self._lock:
            lost = list(waiting.values())
            waiting.clear()
        for future in lost:
            future.set_exception(Trouble(TroubleKind.CUT, "The process that asks was ended."))


def _environment() -> dict[str, str]:
    """Without the mark by which the launcher ends what a killed studio left behind."""
    return {name: value for name, value in os.environ.items() if name != "T2J_OWNER"}


def main() -> None:
    # Ctrl-C is for the process that asked; it closes our stdin when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    journal = Journal(Path(sys.argv[1]))
    lock = threading.Lock()
    with ThreadPoolExecutor(MOST_AT_A_TIME) as pool:
        for line in sys.stdin:
            pool.submit(_do, line, journal, lock)


def _do(line: str, journal: Journal, lock: threading.Lock) -> None:
    content = json.loads(line)
    job = Job(**content | {"endpoint": Endpoint(**content["endpoint"])})
    trouble = None
    try:
        answer = complete(
            job.endpoint, job.messages, job.params, idempotency_key=job.idempotency_key
        )
        journal.write(job.call, job.claim, answer)
    except Trouble as error:
        trouble = _told(error)
    except Exception as error:  # who waits must hear of it
        trouble = _told(Trouble(TroubleKind.CUT, f"{type(error).__name__}: {error}"))
    # Nobody may be listening any more; the answer is in the journal.
    with lock, contextlib.suppress(OSError):
        print(json.dumps({"claim": job.claim, "trouble": trouble}), flush=True)


def _told(error: Trouble) -> dict[str, Any]:
    return {
        "kind": error.kind.value,
        "sentence": error.sentence,
        "retry_after": error.retry_after,
    }


if __name__ == "__main__":
    main()
