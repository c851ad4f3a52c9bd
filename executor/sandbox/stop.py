"""Ending running jobs from another thread: what "cancel" on a page comes down to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from .zygotes import ZygoteGone


class Endable(Protocol):
    """A box, or a container in its place."""

    def abandon(self) -> None: ...


class Stopped(Exception):
    """The job was ended because nobody waits for its result any more."""


class Stop:
    """Set once, it ends every job that was given it, running or still to come.

    One Stop serves all jobs of a verdict, from any number of threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._boxes: set[Endable] = set()
        self._set = False

    def set(self) -> None:
        """Kills the running boxes at once; their callers and later ones get Stopped."""
        with self._lock:
            self._set = True
            for box in self._boxes:
                box.abandon()

    def is_set(self) -> bool:
        return self._set

    def check(self) -> None:
        """Raises Stopped once set."""
        if self._set:
            raise Stopped("It was stopped.")

    @contextmanager
    def ending(self, box: Endable) -> Iterator[None]:
        """While the block runs, `set` ends this box, and the block ends with Stopped.

        A box that was ended tells so like any other end, or not at all.
        """
        with self._lock:
            self.check()
            self._boxes.add(box)
        try:
            yield
        except ZygoteGone:
            self.check()
            raise
        finally:
            with self._lock:
                self._boxes.discard(box)
        self.check()
