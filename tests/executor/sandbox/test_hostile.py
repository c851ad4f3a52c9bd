"""Every program in fixtures/hostile ends as its header says, and the host stays clean."""

import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from executor import sandbox
from executor.harness.codec import PacketError, read_npy
from executor.parity.arrays import Unreadable, read_json, read_packet
from executor.sandbox import Job, groups

from .expected import FOLDER, PROGRAMS, Ended, Expected
from .host import clean_host


def _run(path: Path, *, warm: bool = True) -> None:
    text = path.read_text()
    expected = Expected.read(text)
    job = expected.job(text)
    if warm:
        sandbox.prepare(job.runtime)
    expected.fill_cache(job)
    with clean_host():
        result = sandbox.run(job, warm=warm)
    expected.check(Ended.of(result))
    expected.check_cache(job)
    if "packets" in expected.values:
        _are_refused(result.files)


def _are_refused(files: Mapping[str, bytes]) -> None:
    """Every result is there, and each of our readers takes it for what it is: not a packet."""
    assert files
    for name, data in files.items():
        with pytest.raises((Unreadable, PacketError)):
            read_json(files, name) if name.endswith(".json") else read_packet(files, name)
        if name.endswith(".npy"):
            with pytest.raises(PacketError):
                read_npy(data)


def test_every_program_says_what_must_happen() -> None:
    assert len(PROGRAMS) >= 60
    assert all({"does", "end"} <= set(Expected.read(one.read_text()).values) for one in PROGRAMS)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_hostile_program_is_contained(path: Path) -> None:
    _run(path)


@pytest.mark.parametrize("name", ["kills_everything", "daemon", "fork_bomb", "gains_rights"])
def test_cold_boxes_hold_too(name: str) -> None:
    _run(FOLDER / f"{name}.py", warm=False)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("memory_*.py")), ids=lambda path: path.stem)
def test_memory_is_held_without_control_groups(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.close()
    monkeypatch.setattr(groups, "find_place", lambda: None)
    _run(path)
    sandbox.close()


class _Page(BaseHTTPRequestHandler):
    """Any page: a service of this host."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_service_of_this_host_is_out_of_reach() -> None:
    server = ThreadingHTTPServer(("", 0), _Page)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(server.serve_forever)
        try:
            address = f"http://127.0.0.1:{server.server_port}/"
            assert urllib.request.urlopen(address, timeout=60).status == 200
            code = (
                "import urllib.request\n"
                f"print(urllib.request.urlopen({address!r}, timeout=5).status)"
            )
            result = sandbox.run(Job("jax", "selftest_program", {"code.py": code.encode()}))
        finally:
            server.shutdown()
            server.server_close()
    assert (result.stdout, result.exit_code) == ("", 1)
    assert "URLError" in result.stderr


def test_runs_beside_hostile_ones_end_as_if_alone() -> None:
    neighbours = ("fork_bomb", "memory_bomb", "disk_filler", "output_flood", "kills_everything")
    texts = [(FOLDER / f"{name}.py").read_text() for name in neighbours]
    # A program that ends first takes its children with it: it waits for its own.
    code = (
        "import os\n"
        "open('/work/out/n', 'w').write('1')\n"
        "child = os.fork()\n"
        "if child:\n"
        "    os.waitpid(child, 0)\n"
        "print(1)"
    )
    honest = Job("jax", "selftest_program", {"code.py": code.encode()})
    sandbox.prepare("jax")
    with clean_host(), ThreadPoolExecutor(2) as threads:
        jobs = [Expected.read(text).job(text) for text in texts]
        hostile = [threads.submit(sandbox.run, job) for job in jobs]
        results = [sandbox.run(honest) for _ in range(6)]
        ends = [one.result() for one in hostile]
    for text, result in zip(texts, ends, strict=True):
        Expected.read(text).check(Ended.of(result))
    for one in results:
        assert (one.end, one.exit_code, dict(one.files)) == ("exited", 0, {"n": b"1"})
        assert len(one.stdout.splitlines()) == 2
