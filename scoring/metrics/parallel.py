"""Work spread over processes."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

_PR_SET_PDEATHSIG = 1

Task = TypeVar("Task")
Result = TypeVar("Result")


def over_processes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    processes: int | None = None,
    small: bool = False,
) -> list[Result]:
    """`work` of each task, in order, on `processes` cores (all of this process by default).

    `small` work stays here. So does that of a queue worker, which may have no children.
    """
    processes = processes or len(os.sched_getaffinity(0))
    if small or processes == 1 or multiprocessing.current_process().daemon:
        return [work(task) for task in tasks]
    # Fresh interpreters: a fork would share this process's threads, locks and connections.
    context = multiprocessing.get_context("spawn")
    chunk = max(1, len(tasks) // (processes * 8))
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_end_with, initargs=(os.getpid(),)
    ) as pool:
        return list(pool.map(work, tasks, chunksize=chunk))


def _end_with(parent: int) -> None:
    """They hold each other's pipes open, so a killed parent would leave them waiting for ever."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
