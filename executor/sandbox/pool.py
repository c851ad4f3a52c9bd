"""The warm zygotes of this process, one per runtime and GPU, shared by all its threads."""

import contextlib
import os
import threading
from dataclasses import dataclass, field

from executor.runtimes import Runtime

from . import groups
from .boxes import Box
from .job import SandboxUnavailable
from .zygotes import Zygote, ZygoteGone, signature

# A zygote keeps no state between jobs; this bounds what we do not know of.
JOBS_PER_ZYGOTE = 1000


@dataclass(slots=True)
class _Shelf:
    """What is held for one runtime: its zygote and a box built ahead of the next job."""

    runtime: Runtime
    gpu: int | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    zygote: Zygote | None = None
    made_from: object = None
    spare: Box | None = None

    def clear(self) -> None:
        if self.spare is not None:
            self.spare.close()
            self.spare = None
        if self.zygote is not None:
            self.zygote.retire()
            self.zygote = None


class Pool:
    """Starts zygotes when first needed and replaces dead, worn and outdated ones."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._shelves: dict[tuple[str, int | None], _Shelf] = {}

    def take(self, runtime: Runtime, gpu: int | None = None) -> Box:
        """A box of a living, current zygote, and starts building the next one.

        Raises SandboxUnavailable when no zygote can be started.
        """
        shelf = self._shelf(runtime, gpu)
        with shelf.lock:
            self._renew(shelf)
            assert shelf.zygote is not None
            try:
                return shelf.spare or Box(shelf.zygote)
            except ZygoteGone as error:
                raise SandboxUnavailable(f"The sandbox ended at once: {error}") from error
            finally:
                shelf.spare = None

    def refill(self, runtime: Runtime, gpu: int | None = None) -> None:
        """Has the next box built while the present one works."""
        shelf = self._shelf(runtime, gpu)
        with shelf.lock, contextlib.suppress(ZygoteGone):
            if shelf.spare is None and shelf.zygote is not None:
                shelf.spare = Box(shelf.zygote)

    def prepare(self, runtime: Runtime, gpu: int | None = None) -> None:
        """Starts the zygote and a first box; raises SandboxUnavailable."""
        shelf = self._shelf(runtime, gpu)
        with shelf.lock:
            self._renew(shelf)
        self.refill(runtime, gpu)

    def blame(self, zygote: Zygote, error: ZygoteGone) -> None:
        """Ends a zygote that does not answer; one that lost a single box goes on."""
        if isinstance(error.__cause__, TimeoutError):
            zygote.kill()

    def close(self) -> None:
        """Ends all zygotes and what runs in them."""
        for shelf in self._shelves.values():
            with shelf.lock:
                zygote = shelf.zygote
                shelf.clear()
                if zygote is not None:
                    zygote.kill()
        groups.sweep()

    def forget(self) -> None:
        """For a forked child: the zygotes belong to the parent, only our copies are closed."""
        for shelf in self._shelves.values():
            if shelf.spare is not None:
                shelf.spare.forget()
            if shelf.zygote is not None:
                shelf.zygote.forget()
        self._guard = threading.Lock()
        self._shelves = {}

    def _shelf(self, runtime: Runtime, gpu: int | None) -> _Shelf:
        with self._guard:
            shelf = self._shelves.setdefault((runtime.name, gpu), _Shelf(runtime, gpu))
            shelf.runtime = runtime
            return shelf

    @staticmethod
    def _renew(shelf: _Shelf) -> None:
        current = signature(shelf.runtime)
        zygote = shelf.zygote
        if zygote is not None and shelf.made_from == current and zygote.usable(JOBS_PER_ZYGOTE):
            return
        shelf.clear()
        shelf.zygote, shelf.made_from = Zygote(shelf.runtime, warm=True, gpu=shelf.gpu), current


shared = Pool()
os.register_at_fork(after_in_child=shared.forget)
