"""Virtual environments made and kept current, with visible progress. Standard library only."""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from executor import runtimes

from . import paths
from .errors import LaunchError
from .process import die_with
from .progress import Board, Track

_APP_STAMP = "t2j-app.sha256"
_LOCK = ".t2j-lock"
_TAIL_LINES = 25
_FREE_MB = {"app": 700, "runtime": 2500}
_UNITS = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
_COLLECTING = re.compile(r"^Collecting ([A-Za-z0-9._-]+)")
_FETCHED = re.compile(
    r"^\s*(?:Downloading|Using cached) (?:\S*/)?(\S+?\.(?:whl|tar\.gz|zip))"
    r" \(([\d.]+) (bytes|kB|MB|GB)\)"
)
_LOCAL = re.compile(r"^Processing (\S+\.(?:whl|tar\.gz|zip))$")
_INSTALLING = re.compile(r"^Installing collected packages: (.+)$")
_PIN = re.compile(r"^[A-Za-z0-9]", re.MULTILINE)
_HINTS = (
    ("No space left on device", "The disk is full: free some gigabytes and start again."),
    (
        "externally-managed-environment",
        "pip worked outside the virtual environment: delete the folder {prefix} and start again.",
    ),
    (
        "No matching distribution",
        "Your package index does not offer this version for this Python and platform"
        " (64-bit Linux with Python 3.11 to 3.13 works). `pip config list` shows your index.",
    ),
    (
        "Temporary failure in name resolution",
        "There is no network: connect, or point pip at a reachable index or proxy.",
    ),
    ("Read timed out", "The network is slow or blocked: start again, what was fetched is kept."),
    ("ProxyError", "The proxy refused: check HTTPS_PROXY."),
    ("CERTIFICATE_VERIFY_FAILED", "TLS failed: point PIP_CERT at your network's CA file."),
)


@dataclass(frozen=True)
class Target:
    """One environment: `prefix` holds it, `covers` are the digests it satisfies once installed."""

    name: str
    prefix: Path
    stamp: Path
    requirements: tuple[str, ...]
    constraints: Path
    covers: tuple[str, ...]
    expected: int
    free_mb: int

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def log(self) -> Path:
        return self.prefix / "t2j-install.log"


def targets(*, dev: bool) -> list[Target]:
    """The app (with the group dev when asked) and every runtime that is not optional."""
    try:
        described = [runtimes.describe(name) for name in runtimes.names()]
        return [_app(dev=dev), *(_target(one) for one in described if not one.optional)]
    except runtimes.RuntimeUnavailable as error:
        raise LaunchError(str(error)) from error


def runtime_target(name: str) -> Target:
    """One runtime, optional or not; raises LaunchError when it is unknown or badly described."""
    try:
        return _target(runtimes.describe(name))
    except runtimes.RuntimeUnavailable as error:
        raise LaunchError(str(error)) from error


def named(names: list[str]) -> list[Target]:
    """The app (`app`) and runtimes by name; without names all that is not optional."""
    if not names:
        return targets(dev=False)
    return [_app(dev=False) if name == "app" else runtime_target(name) for name in names]


def ensure(wanted: list[Target]) -> None:
    """Installs what is not current, side by side.

    Raises LaunchError with the end of pip's output and what to do.
    """
    with _locked(wanted):
        stale = [target for target in wanted if not is_current(target)]
        if not stale:
            return
        _check_tools()
        _check_space(stale)
        _install_all(stale)


def is_current(target: Target) -> bool:
    """True when the environment was installed from exactly today's inputs and still runs."""
    try:
        stamped = target.stamp.read_text().split()
    except OSError:
        return False
    return target.covers[-1] in stamped and _python_runs(target)


def _app(*, dev: bool) -> Target:
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    constraints = paths.ROOT / "requirements" / "constraints.txt"
    base = tuple(project["project"]["dependencies"])
    full = base + tuple(project["dependency-groups"]["dev"])
    base_digest, full_digest = _digest(base, constraints), _digest(full, constraints)
    return Target(
        name="app",
        prefix=paths.venv(),
        stamp=paths.venv() / _APP_STAMP,
        requirements=full if dev else base,
        constraints=constraints,
        covers=(base_digest, full_digest) if dev else (base_digest,),
        expected=_pins(constraints) if dev else 0,
        free_mb=_FREE_MB["app"],
    )


def _target(runtime: runtimes.Runtime) -> Target:
    lock = runtimes.HERE / f"{runtime.name}.lock"
    return Target(
        name=runtime.name,
        prefix=runtime.prefix,
        stamp=runtime.prefix / runtimes.STAMP,
        requirements=runtime.requirements,
        constraints=lock,
        covers=(runtimes.stamp(runtime.name),),
        expected=_pins(lock),
        free_mb=_FREE_MB["runtime"],
    )


def _digest(requirements: tuple[str, ...], constraints: Path) -> str:
    python = f"{sys.version_info.major}.{sys.version_info.minor} {platform.machine()}"
    content = json.dumps([python, requirements, constraints.read_text()])
    return hashlib.sha256(content.encode()).hexdigest()


def _pins(file: Path) -> int:
    return len(_PIN.findall(file.read_text()))


def _python_runs(target: Target) -> bool:
    """False when the Python the environment was made with has moved or changed its version."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [target.python, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return done.stdout.strip() == f"{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def _locked(wanted: list[Target]) -> Iterator[None]:
    """One install at a time per environment, also between several terminals."""
    handles = []
    try:
        for target in wanted:
            try:
                target.prefix.mkdir(parents=True, exist_ok=True)
                handle = os.open(target.prefix / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                if is_current(target):
                    continue  # a read-only installation that needs nothing
                raise LaunchError(
                    f"Cannot write to {target.prefix} ({error.strerror}). Make the checkout"
                    " writable, or point T2J_VENV and T2J_RUNTIMES at folders that are."
                ) from error
            handles.append(handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        for handle in handles:
            os.close(handle)


def _check_tools() -> None:
    missing = [name for name in ("venv", "ensurepip") if not importlib.util.find_spec(name)]
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise LaunchError(
            f"This Python ({sys.executable}) cannot make virtual environments: its module"
            f" {missing[0]} is missing. On Debian and Ubuntu: apt-get install python{version}-venv"
        )


def _check_space(stale: list[Target]) -> None:
    for target in stale:
        fresh = not (target.prefix / "pyvenv.cfg").exists()
        free_mb = shutil.disk_usage(target.prefix).free / 1e6
        if fresh and free_mb < target.free_mb:
            raise LaunchError(
                f"No disk space for {target.name} in {target.prefix}: about {target.free_mb} MB are"
                f" needed, {free_mb:.0f} MB are free. Free some, or point T2J_VENV and T2J_RUNTIMES"
                " at another disk."
            )


def _install_all(stale: list[Target]) -> None:
    names = ", ".join(target.name for target in stale)
    tracks = [Track(target.name, target.expected) for target in stale]
    # Kept over a failed try, so that the next one does not fetch everything again.
    cache = runtimes.folder() / ".cache"
    with Board(tracks) as board, ThreadPoolExecutor(len(stale)) as pool:
        board.say(f"Installing {names} (only when something changed; a few minutes the first time)")
        jobs = [
            pool.submit(_Install(target, track, board, cache).run)
            for target, track in zip(stale, tracks, strict=True)
        ]
        errors = [error for job in jobs if (error := job.exception())]
    if errors:
        raise errors[0]
    shutil.rmtree(cache, ignore_errors=True)


class _Install:
    """One pip run, its output turned into progress."""

    def __init__(self, target: Target, track: Track, board: Board, cache: Path) -> None:
        self.target, self.track, self.board, self.cache = target, track, board, cache
        self.temporary = target.prefix / ".tmp"
        self.complete_mb = 0.0  # of files that are here
        self.coming_mb = 0.0  # size of the file being fetched
        self.lines: list[str] = []

    def run(self) -> None:
        began = time.monotonic()
        self.target.stamp.unlink(missing_ok=True)
        try:
            if not _python_runs(self.target):
                self._make_environment()
            self._pip()
        finally:
            shutil.rmtree(self.temporary, ignore_errors=True)
        self.target.stamp.write_text("\n".join(self.target.covers))
        self.track.done = True
        self.board.say(
            f"  {self.target.name}: ready in {time.monotonic() - began:.0f} s,"
            f" {self.track.packages} packages installed, {self.complete_mb:.0f} MB fetched"
        )

    def _make_environment(self) -> None:
        self._now("making the virtual environment")
        for child in self.target.prefix.iterdir():
            if child.name == _LOCK:
                continue
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
        self._call([sys.executable, "-m", "venv", str(self.target.prefix)])

    def _pip(self) -> None:
        watcher = _Watcher(self)
        watcher.start()
        try:
            self._call(
                [
                    *(str(self.target.python), "-m", "pip", "install", "--no-input"),
                    *("--disable-pip-version-check", "--progress-bar", "off"),
                    *("-c", str(self.target.constraints), *self.target.requirements),
                ]
            )
        finally:
            watcher.stop()

    def _call(self, argv: list[str]) -> None:
        # pip unpacks here: /tmp is often too small, and nothing outside the checkout is written.
        self.temporary.mkdir(exist_ok=True)
        environment = os.environ | {"TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}
        environment.setdefault("PIP_CACHE_DIR", str(self.cache))
        environment.pop("PYTHONPATH", None)
        parent = os.getpid()
        process = subprocess.Popen(
            argv,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=lambda: die_with(parent, signal.SIGKILL),  # noqa: PLW1509 (one libc call)
        )
        assert process.stdout
        for line in process.stdout:
            self.lines.append(line.rstrip())
            self._read(line.rstrip())
        if process.wait():
            raise LaunchError(self._failure(process.returncode))

    def _read(self, line: str) -> None:
        if found := _COLLECTING.match(line):
            self.track.now = found[1]
        elif found := _FETCHED.match(line):
            self._fetching(found[1], float(found[2]) * _UNITS[found[3]])
        elif (found := _LOCAL.match(line)) and Path(found[1]).is_file():
            self._fetching(Path(found[1]).name, Path(found[1]).stat().st_size / 1e6)
        elif found := _INSTALLING.match(line):
            self._fetched()
            self.track.packages = len(found[1].split(","))
            self._now("unpacking and compiling")

    def _fetching(self, file: str, megabytes: float) -> None:
        """pip names a file before it fetches it."""
        self._fetched()
        self.track.packages += 1
        self.coming_mb = megabytes
        self._now(f"{file.split('-', 1)[0]} ({megabytes:.1f} MB)")

    def _fetched(self) -> None:
        self.complete_mb += self.coming_mb
        self.coming_mb = 0.0
        self.track.megabytes = self.complete_mb

    def _now(self, text: str) -> None:
        self.track.now = text
        self.board.step(self.track)

    def _failure(self, code: int) -> str:
        self.target.log.write_text("\n".join(self.lines) + "\n")
        output = "\n".join(self.lines)
        hint = next(
            (hint.format(prefix=self.target.prefix) for text, hint in _HINTS if text in output),
            "Mend what pip says above and start again; what was fetched is kept.",
        )
        tail = "\n".join(f"    {line}" for line in self.lines[-_TAIL_LINES:])
        return (
            f"Installing {self.target.name} failed (exit code {code}). pip's last lines"
            f" (all of them: {self.target.log}):\n{tail}\n{hint}"
        )


class _Watcher(threading.Thread):
    """Counts the bytes of the file being fetched, which pip itself does not tell."""

    def __init__(self, install: _Install) -> None:
        super().__init__(daemon=True)
        self.install = install
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._stopped.wait(0.5):
            here_mb = min(self._growing_mb(), self.install.coming_mb)
            self.install.track.megabytes = self.install.complete_mb + here_mb

    def _growing_mb(self) -> float:
        fresh = 0.0
        for file in self.install.temporary.glob("pip-unpack-*/*"):
            try:
                stat = file.stat()
            except OSError:
                continue
            if stat.st_mtime > time.time() - 2:
                fresh = max(fresh, stat.st_size / 1e6)
        return fresh
