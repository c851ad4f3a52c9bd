"""Progress of installs: one live line on a terminal, plain lines elsewhere."""

import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO

_BAR = 20
_EVERY_S = 0.2


@dataclass
class Track:
    """One environment being installed. Sizes are in megabytes."""

    name: str
    expected: int = 0  # packages; 0: not known
    packages: int = 0
    megabytes: float = 0.0
    now: str = "starting"
    done: bool = False

    def share(self) -> float | None:
        if not self.expected:
            return None
        return 1.0 if self.done else min(self.packages / self.expected, 0.99)

    def line(self) -> str:
        count = f"{self.packages} packages"
        if self.expected and not self.done:
            count = f"{self.packages} of {max(self.expected, self.packages)}"
        return f"{self.name}: {count}, {self.megabytes:.1f} MB, {self.now}"


@dataclass
class Board:
    """Shows several tracks at once; used as a context manager."""

    tracks: list[Track]
    out: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        self._live = self.out.isatty()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._painter = threading.Thread(target=self._paint_until_stopped, daemon=True)

    def __enter__(self) -> "Board":
        if self._live:
            self._painter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._live:
            self._painter.join()
            self._write("\r\x1b[K")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")

    def step(self, track: Track) -> None:
        """The track moved on to something new; without a terminal this prints a line."""
        if not self._live:
            self._write(f"  {track.line()}\n")

    def _paint_until_stopped(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._write(f"\r\x1b[K{self._picture()}")

    def _picture(self) -> str:
        running = [t for t in self.tracks if not t.done] or self.tracks
        shares = [t.share() for t in self.tracks]
        known = [s for s in shares if s is not None]
        share = sum(known) / len(self.tracks) if known else 0.0
        filled = round(share * _BAR)
        bar = "█" * filled + "░" * (_BAR - filled)
        seconds = int(time.monotonic() - self._began)
        text = f"{bar} {seconds:3d} s  " + " · ".join(t.line() for t in running)
        return text[: shutil.get_terminal_size().columns - 1]

    def _write(self, text: str) -> None:
        with self._lock:
            try:
                self.out.write(text)
            except UnicodeEncodeError:
                self.out.write(text.encode("ascii", "replace").decode())
            self.out.flush()
